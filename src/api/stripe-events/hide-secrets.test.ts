import { expect, test } from "vitest";
import { hideSecrets } from "./hide-secrets.ts";

const key = ["sk", "live", "51Habcdefghij"].join("_");
const signing = ["whsec", "abcdefgh12345678"].join("_");
const ours = ["mo", "a".repeat(43)].join("_");

test("what opens something is hidden wherever it stands, and all else is as it came", () => {
  const payload = {
    id: "evt_1",
    api_version: "2026-10-28",
    request: { id: "req_1", idempotency_key: "export-4711" },
    data: {
      object: {
        id: "cs_test_1",
        client_secret: "cs_test_1_secret_xyz",
        metadata: { organization_id: "o", note: `use ${key} and ${ours}` },
        list: [{ secret: signing }, { token: { id: "tok_1" } }, signing],
        url: "https://checkout.stripe.com/c/pi_1_secret_abc",
        livemode: false,
        amount: 7,
        payment_method: null,
        setup_secret: null,
      },
    },
  };
  expect(hideSecrets(payload)).toEqual({
    ...payload,
    data: {
      object: {
        ...payload.data.object,
        client_secret: "[hidden]",
        metadata: { organization_id: "o", note: "use [hidden] and [hidden]" },
        list: [{ secret: "[hidden]" }, { token: "[hidden]" }, "[hidden]"],
        url: "https://checkout.stripe.com/c/[hidden]",
      },
    },
  });
});
