import { html } from "hono/html";
import { expect, test } from "vitest";
import { AttentionPart } from "./attention-part.tsx";

const now = new Date("2026-11-26T10:00:00Z");
const readAt = new Date("2026-11-26T07:00:00Z");

async function shown(failure: Error | undefined): Promise<string> {
  const attention = { value: { conditions: [], findings: [] }, readAt, failure };
  const page = await html`${AttentionPart({ attention, now })}`;
  return page.replaceAll(/<[^>]*>/g, "");
}

test("what needs attention says of itself that it is old, once it could not be read again", async () => {
  expect(await shown(undefined)).not.toContain("could not be read again");
  expect(await shown(new Error("canceling statement due to statement timeout"))).toContain(
    "It could not be read again: this is what was found 3 h ago.",
  );
});
