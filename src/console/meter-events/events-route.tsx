import { z } from "zod";
import { explainMeterEvent } from "../../api/meter-events/explain-meter-event.ts";
import type { ConsoleParts } from "../../api/console-parts.ts";
import { readLatestMode } from "../../billing/latest-mode.ts";
import type { Db } from "../../database/db.ts";
import { listMeterEvents } from "../../delivery/meter-events.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { toPage } from "../../http/page.ts";
import { notFound } from "../../http/problem.ts";
import { readOrganizationNames } from "../../organizations/organization-names.ts";
import { type EventReading, listEventReadings } from "../../outbox/event-readings.ts";
import type { SealedEvents } from "../../outbox/sealed-events.ts";
import { storedTimeSchema } from "../../usage/recorded-at.ts";
import type { ConsoleApp, ConsoleContext } from "../console-env.ts";
import { mayAct } from "../forms/act.ts";
import { showPage } from "../layout/show-page.tsx";
import { DoneNotice } from "../parts/notice.tsx";
import { EventPage, type Story } from "./event-page.tsx";
import { EventsPage } from "./events-page.tsx";
import { readFilter } from "./read-filter.ts";

const pageRows = 50;
const listKey = z.tuple([z.uuid()]);
const readingKey = z.tuple([z.uuid(), z.string().max(128), storedTimeSchema]);
const frame = { title: "Meter events", place: "events" } as const;

/** Adds the list of meter events, and the page of one. */
export function mountMeterEventPages(app: ConsoleApp, { db }: ConsoleParts): void {
  app.get("/meter-events", async (c) => {
    const { fields, by } = await readFilter(db, c.req.query());
    const before = decodeCursor(c.req.query("cursor"), listKey)?.[0];
    const rows = await listMeterEvents(db, { ...by, before, limit: pageRows + 1 });
    const { data: events, next_cursor: next } = toPage(rows, pageRows, ({ id }) => [id]);
    const names = await readOrganizationNames(
      db,
      events.map((event) => event.organizationId),
    );
    const page = (
      <>
        <DoneNotice did={c.req.query("did")} count={c.req.query("n")} />
        <EventsPage list={{ events, names, next, fields, mayAct: mayAct(c) }} />
      </>
    );
    return showPage(c, frame, page);
  });

  app.get("/meter-events/:id", async (c) => {
    const page = (
      <>
        <DoneNotice did={c.req.query("did")} count={c.req.query("n")} />
        <EventPage story={await readStory(db, c)} />
      </>
    );
    return showPage(c, { ...frame, title: "Meter event" }, page);
  });
}

async function readStory(db: Db, c: ConsoleContext): Promise<Story> {
  const explained = await explainMeterEvent(db, eventIdOf(c));
  if (explained === undefined) throw notFound("meter event");
  const { event, sealed, dropped } = explained;
  const names = await readOrganizationNames(db, [event.organizationId]);
  const { data: readings, next_cursor: nextReadings } = dropped.includes("entries")
    ? { data: [], next_cursor: null }
    : await readReadings(db, c, sealed);
  return {
    ...explained,
    organizationName: names.get(event.organizationId),
    readings,
    nextReadings,
    isLive: await readLatestMode(db),
    mayAct: mayAct(c),
  };
}

async function readReadings(
  db: Db,
  c: ConsoleContext,
  sealed: SealedEvents,
): Promise<{ data: EventReading[]; next_cursor: string | null }> {
  const after = decodeCursor(c.req.query("cursor"), readingKey);
  const rows = await listEventReadings(db, sealed, { after, limit: pageRows + 1 });
  return toPage(rows, pageRows, ({ entryId, sensorId, recordedAt }) => [entryId, sensorId, recordedAt]);
}

/** The id in the path. Throws the 404 for what is none. */
export function eventIdOf(c: ConsoleContext): string {
  const id = z.uuid().safeParse(c.req.param("id"));
  if (!id.success) throw notFound("meter event");
  return id.data;
}
