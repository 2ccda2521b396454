import { expect, test } from "vitest";
import { usedEventTypes, usedThinEventTypes } from "../../stripe/used-event-types.ts";
import { readFences } from "./markdown.ts";
import { readDocument } from "./read-document.ts";

const commands = readFences(await readDocument("docs/stripe.md"))
  .map(({ text }) => text)
  .join("");

test("docs/stripe.md makes a webhook endpoint with every type that has an effect here, and no other", () => {
  const documented = [...commands.matchAll(/enabled_events\[\]=([\w.]+)/g)].map(([, type]) => type);
  expect(documented).toEqual(usedEventTypes);
});

test("docs/stripe.md makes an event destination with every thin type that has an effect here, and no other", () => {
  const [, list = ""] = /"enabled_events": (\[[^\]]*\])/.exec(commands) ?? [];
  expect(JSON.parse(list)).toEqual(usedThinEventTypes);
});
