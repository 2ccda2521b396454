import { z } from "zod";
import { listActions } from "../../actions/list-actions.ts";
import type { ConsoleParts } from "../../api/console-parts.ts";
import { askUsage, usageCsv } from "../../api/usage/usage-answer.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { invalidRequest } from "../../http/input-errors.ts";
import { toPage } from "../../http/page.ts";
import { notFound } from "../../http/problem.ts";
import { listWorkingKeysFirst } from "../../organizations/api-keys.ts";
import { granularities } from "../../outbox/usage-buckets.ts";
import type { UsageBucket } from "../../outbox/usage.ts";
import type { Db } from "../../database/db.ts";
import { readSensorHistory } from "../../intake/sensor-history.ts";
import { findOrganization, listOrganizations, type Organization } from "../../organizations/organizations.ts";
import { readOrganizationTotals } from "../../outbox/organization-totals.ts";
import { listBooks } from "../../reconciliation/close/list-books.ts";
import { meterNames } from "../../usage/meters.ts";
import type { ConsoleApp, ConsoleContext } from "../console-env.ts";
import { mayAct } from "../forms/act.ts";
import { showPage } from "../layout/show-page.tsx";
import { DoneNotice } from "../parts/notice.tsx";
import { listWithLatest } from "./list-sensors.ts";
import { OrganizationPage } from "./organization-page.tsx";
import { type ListedOrganization, OrganizationsPage } from "./organizations-page.tsx";

const pageRows = 50;
const keysShownMax = 200;
const actionsShownMax = 10;
const periodsShownMax = 12;
const sensorsShownMax = 10;
const cursorKey = z.tuple([z.uuid()]);
const dayMs = 86_400_000;
/** How far back each step goes. */
const spanMs = { hour: 2 * dayMs, day: 35 * dayMs, month: 365 * dayMs };

const searchSchema = z.object({
  search: z.string().trim().max(200).optional(),
  billing: z.literal("held").optional(),
});
const usageChoice = z.object({
  meter: z.enum(meterNames).default("temperature_readings"),
  granularity: z.enum(granularities).default("day"),
});

/** Adds the list of organizations, and the page of one with its usage. */
export function mountOrganizationPages(app: ConsoleApp, { db, now, billableStatuses }: ConsoleParts): void {
  const frame = { title: "Organizations", place: "organizations" } as const;

  async function askBuckets(
    c: ConsoleContext,
  ): Promise<z.infer<typeof usageChoice> & { buckets: UsageBucket[]; from: Date; to: Date }> {
    const { meter, granularity } = parsed(usageChoice, c.req.query());
    const to = now();
    const from = new Date(Math.floor((to.getTime() - spanMs[granularity]) / dayMs) * dayMs);
    const query = { meter, granularity, from, to, time_zone: "UTC" };
    const asked = await askUsage(db, organizationIdOf(c), query);
    if (asked.kind === "refused")
      throw new Error(`the console asked for usage wrongly: ${asked.fault.detail}`);
    return { meter, granularity, buckets: asked.buckets, from, to };
  }

  app.get("/organizations", async (c) => {
    const { search, billing } = parsed(searchSchema, c.req.query());
    const isHeld = billing === "held";
    const after = decodeCursor(c.req.query("cursor"), cursorKey)?.[0];
    const wanted = search === "" ? undefined : search;
    const rows = await listOrganizations(db, { search: wanted, isHeld, after, limit: pageRows + 1 });
    const { data, next_cursor: next } = toPage(rows, pageRows, ({ id }) => [id]);
    const organizations = await addTotals(db, data, now());
    const list = { organizations, search: wanted, isHeld, next, billableStatuses };
    return showPage(c, frame, <OrganizationsPage list={list} />);
  });

  app.get("/organizations/:id", async (c) => {
    const organizationId = organizationIdOf(c);
    const organization = await findOrganization(db, organizationId);
    if (organization === undefined) throw notFound("organization");
    const asked = await askBuckets(c);
    const keys = await listWorkingKeysFirst(db, { organizationId, limit: keysShownMax + 1 });
    const actions = await listActions(db, { organizationId, before: undefined, limit: actionsShownMax });
    const sensors = await readSensorHistory(db, organizationId, asked);
    const periods = await listBooks(db, { organizationId, limit: periodsShownMax });
    const listed = await listWithLatest(db, organizationId, { limit: sensorsShownMax });
    const shownKeys = { keys: keys.slice(0, keysShownMax), hasMoreKeys: keys.length > keysShownMax };
    const mine = { organization, ...shownKeys, actions, sensors, listed, periods };
    const view = { ...asked, ...mine, billableStatuses, mayAct: mayAct(c) };
    const page = (
      <>
        <DoneNotice did={c.req.query("did")} />
        <OrganizationPage view={view} />
      </>
    );
    return showPage(c, { ...frame, title: organization.name }, page);
  });

  app.get("/organizations/:id/usage.csv", async (c) => {
    const { meter, granularity, buckets } = await askBuckets(c);
    c.header("content-type", "text/csv; charset=utf-8");
    c.header("content-disposition", `attachment; filename="usage-${meter}-${granularity}.csv"`);
    return c.body(usageCsv(buckets));
  });
}

/** The readings of a page of organizations, each in the period that it pays for. */
async function addTotals(
  db: Db,
  organizations: readonly Organization[],
  now: Date,
): Promise<ListedOrganization[]> {
  const thisMonth = [now.getUTCFullYear(), now.getUTCMonth()] as const;
  const month = {
    from: new Date(Date.UTC(...thisMonth)),
    to: new Date(Date.UTC(thisMonth[0], thisMonth[1] + 1)),
  };
  const wanted = organizations.map(({ id: organizationId, subscription }) => {
    const [from, to] = [subscription?.currentPeriodStart ?? null, subscription?.currentPeriodEnd ?? null];
    return { organizationId, ...(from === null || to === null ? month : { from, to }) };
  });
  const totals = await readOrganizationTotals(db, "temperature_readings", wanted);
  return organizations.map((one) => ({
    ...one,
    total: totals.find(({ organizationId }) => organizationId === one.id),
  }));
}

/** The id in the path. Throws the 404 for what is none. */
export function organizationIdOf(c: ConsoleContext): string {
  const id = z.uuid().safeParse(c.req.param("id"));
  if (!id.success) throw notFound("organization");
  return id.data;
}

function parsed<T>(schema: z.ZodType<T>, query: Record<string, string>): T {
  const result = schema.safeParse(query);
  if (!result.success) throw invalidRequest("query", result.error.issues);
  return result.data;
}
