import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import { hurryOrganization } from "../delivery/hurry.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import type { Tracer } from "../tracing/tracer.ts";
import { meterNames } from "../usage/meters.ts";

/**
 * A backlog of other organizations holds back seals, but must not make this one miss an invoice: a customer has few
 * events.
 */
const pendingMaxAtFlush = 1_000_000;

type FlushDeps = {
  db: Db;
  boss: PgBoss;
  tracer?: Tracer;
  /** Shadow mode: what is sealed is not sent. */
  isShadow?: boolean;
};

/**
 * Seals all usage of these organizations, and lets it go ahead of all other. Both may happen twice without harm, so they come
 * before the one transaction that counts.
 */
export async function flush(
  { db, boss, tracer, isShadow = false }: FlushDeps,
  organizationIds: readonly string[],
): Promise<void> {
  for (const organizationId of organizationIds) {
    await hurryOrganization({ db, boss }, organizationId);
    const options = {
      meters: meterNames,
      onlyOrganizationId: organizationId,
      pendingMax: pendingMaxAtFlush,
      isShadow,
    };
    await sealDueEntries({ db, boss, tracer }, options);
  }
}
