import { sql } from "kysely";
import { expect } from "vitest";
import { z } from "zod";
import type { MeterEventState } from "../delivery/meter-event-states.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { deliverQueueOf } from "../queue/queues.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import { appendEntries } from "./entries.ts";
import { hoursAgo } from "./hours.ts";
import { organizationOf } from "./organizations.ts";
import { roadTest } from "./road-test.ts";

type Wanted = {
  /** A new one of its own when left out. */
  organization?: string;
  /** How many whole hours ago its usage was. */
  hours?: number;
  quantity?: number;
  meter?: MeterName;
  /** Put there by hand, without an attempt; the job that the seal made has then done its work. */
  state?: MeterEventState;
};

const pageSchema = z.object({
  data: z.array(z.looseObject({ id: z.uuid() })),
  next_cursor: z.string().nullable(),
});

/** The road, with meter events made by the seal, and the operator's calls about them. */
export const meterEventsTest = roadTest.extend("events", async ({ api, database: { db }, boss }) => {
  async function seal(wanted: Wanted = {}): Promise<string> {
    const { hours = 1, quantity = 1, meter = "temperature_readings", state } = wanted;
    const organization = wanted.organization ?? (await organizationOf(db, "cus_acme"));
    await appendEntries(db, organization, [{ at: hoursAgo(hours, 1), quantity, meter }]);
    await sealDueEntries({ db, boss }, { meters: meterNames });
    const events = db.selectFrom("meter_events").select("id").orderBy("id", "desc");
    const { id } = await events.executeTakeFirstOrThrow();
    if (state !== undefined) {
      await sql`update metering.meter_events set state = ${state} where id = ${id}`.execute(db);
      await boss.deleteQueuedJobs(deliverQueueOf(meter));
    }
    return id;
  }
  const ask = (method: string, path: string, json?: unknown) =>
    api.ask(method, `/v1/meter-events${path}`, {
      token: api.adminToken,
      ...(json !== undefined && { json }),
    });
  const list = async (query: string) => {
    const { status, body } = await ask("GET", query);
    expect(status).toBe(200);
    const { data, next_cursor: cursor } = pageSchema.parse(body);
    return { ids: data.map(({ id }) => id), cursor };
  };
  return { seal, ask, list };
});

/** An id that no meter event has. */
export const unknownId = "00000000-0000-7000-8000-000000000000";
/** A time as the API writes it. */
export const anyInstant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown;
