import { expect } from "vitest";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { addMeterEvent } from "../testing/rows/meter-events.ts";
import { addOrganization } from "../testing/rows/organizations.ts";

const period = { periodStart: hoursAgo(48), periodEnd: hoursAgo(-24) };

test("a dry run tells the numbers and changes nothing; the command itself tells the same", async ({
  cli,
  database: { db },
}) => {
  const acme = await addOrganization(db, { customer: "cus_1", ...period });
  await addMeterEvent(db, { organization_id: acme, event_at: hoursAgo(3, 1), quantity: 5 });
  const rehearsal = await cli(["cut-over", "--at", "period-end", "--dry-run"]);
  const done = await cli(["cut-over", "--at", "period-end"]);
  const again = await cli.json(["cut-over", "--at", "period-end"]);

  expect(rehearsal).toMatchObject({ exitCode: 0, err: "" });
  expect(rehearsal.out).toContain("organizations would be cut: 1; moved: 0; cut before: 0");
  expect(rehearsal.out).toMatch(/^temperature_readings +1 +5 +0 +0 +0 +0$/m);
  expect(done.out).toContain("organizations cut now: 1; moved: 0; cut before: 0");
  expect(done.out).toMatch(/^temperature_readings +1 +5 +0 +0 +0 +0$/m);
  expect(again).toMatchObject({
    dry_run: false,
    organizations: [{ organization_id: acme, outcome: "kept", cut_at: hoursAgo(-24).toISOString() }],
    totals: [{ marked: { count: 0 } }, {}],
    workers: { transports: [] },
  });
});

test("an organization that cannot be cut is named, and alone makes the command fail", async ({
  cli,
  database: { db },
}) => {
  await addOrganization(db, { customer: "cus_1", ...period });
  const none = await addOrganization(db, { customer: "cus_2" });
  const all = await cli(["cut-over", "--at", "period-end"]);
  const alone = await cli(["cut-over", "--at", "period-end", "--organization", none]);
  const atTime = await cli(["cut-over", "--at", hoursAgo(0).toISOString(), "--organization", none]);

  expect(all.out).toContain(`${none}: no billing period is known`);
  expect([all.exitCode, alone.exitCode, atTime.exitCode]).toEqual([0, 1, 0]);
});

test.for([
  [["--at", "tomorrow"], /must be period-end or an RFC 3339 time/],
  [[], /required option '--at <time>'/],
  [["--at", "period-end", "--organization", "acme"], /organization/],
] as const)("cut-over %s is wrong usage", async ([args, words], { cli }) => {
  const { exitCode, err } = await cli(["cut-over", ...args]);
  expect(exitCode).toBe(2);
  expect(err).toMatch(words);
});
