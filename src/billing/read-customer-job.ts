import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Db, Trx } from "../database/db.ts";
import { onEachShardGroup } from "../database/shard-groups.ts";
import type { Log } from "../log.ts";
import { insideTransaction } from "../queue/boss.ts";
import { queueSchema } from "../queue/queue-schema.ts";
import { readCustomerPayload, readCustomerQueue } from "../queue/queues.ts";
import { listReminded } from "../queue/reminded.ts";
import { type WorkDeps, workEachJob } from "../queue/work-queue.ts";
import type { CustomerMode } from "../stripe/customer-mode.ts";
import type { KeyMode } from "../stripe/key-mode.ts";
import { adoptSubscription } from "./adopt-subscription.ts";
import { type CustomerReadDeps, readCustomer } from "./read-customer.ts";
import type { CustomerFault } from "./subscriptions.ts";

const pollSeconds = 0.5;
/** Reminders re-created in one sweep. */
const remindersMax = 1_000;

/** Wants the customer that was just linked to be read at Stripe, and sends the job, both in the link's transaction. */
export async function wantCustomerRead(trx: Trx, boss: PgBoss, organizationId: string): Promise<void> {
  await sql`
    update metering.subscriptions set read_wanted_at = statement_timestamp() where organization_id = ${organizationId}
  `.execute(trx);
  await remind(boss, [organizationId], { trx });
}

/** Works the jobs that read a customer at Stripe after an operator linked it. */
export async function workReadCustomer(deps: CustomerReadDeps & WorkDeps): Promise<void> {
  await workEachJob(
    deps,
    {
      queue: readCustomerQueue.name,
      pollingIntervalSeconds: pollSeconds,
      batchSize: 5,
      burstWhenBatchFull: true,
    },
    ({ data }) => readLinkedCustomer(deps, readCustomerPayload.parse(data).organizationId),
  );
}

/**
 * Reminds of customers whose job is lost, by their own state. One whose job is tried again needs no second: Stripe may never
 * answer for it, and the queue takes a new job beside one that has failed.
 */
export async function sweepCustomerReads({ db, boss }: { db: Db; boss: PgBoss }): Promise<void> {
  const { done, errors } = await onEachShardGroup(db, {}, async (shard) => {
    const wanted = await sql<{ organization_id: string }>`
      select organization_id from metering.subscriptions s
      where read_wanted_at < now() - interval '1 minute' ${namesOrganizations(shard)("s")}
      order by read_wanted_at
    `.execute(db);
    return wanted.rows.map((row) => row.organization_id);
  });
  const wanted = done.flat();
  if (wanted.length > 0) {
    const reminded = await listReminded(db, { queue: readCustomerQueue.name, keys: wanted });
    await remind(boss, wanted.filter((id) => !reminded.has(id)).slice(0, remindersMax));
  }
  if (errors.length > 0) throw errors[0];
}

async function remind(
  boss: PgBoss,
  organizationIds: readonly string[],
  { trx }: { trx?: Trx } = {},
): Promise<void> {
  if (organizationIds.length === 0) return;
  const jobs = organizationIds.map((organizationId) => ({
    data: { organizationId },
    singletonKey: organizationId,
  }));
  const options = { returnId: false, ...(trx !== undefined && { db: insideTransaction(trx) }) };
  await boss.insert(readCustomerQueue.name, jobs, options);
}

async function readLinkedCustomer(
  deps: CustomerReadDeps & { log: Log },
  organizationId: string,
): Promise<void> {
  const { db, reads, log } = deps;
  await forgetFailed(db, organizationId);
  const wanted = await findWanted(db, organizationId);
  if (wanted === undefined) return;
  const { customer, wantedAt } = wanted;
  const fault = faultOf(await reads.readCustomerMode(customer), reads.mode);
  const read = fault === null ? await readCustomer(deps, customer) : undefined;
  await db.transaction().execute(async (trx) => {
    if (read !== undefined) await adoptSubscription(trx, read);
    // Another link that was made meanwhile wants a read of its own.
    await sql`
      update metering.subscriptions set customer_fault = ${fault}, read_wanted_at = null
      where organization_id = ${organizationId} and read_wanted_at = ${wantedAt}::timestamptz
    `.execute(trx);
  });
  const fields = { organization_id: organizationId, stripe_customer_id: customer };
  if (fault !== null) log.warn({ event: "customer_faulty", ...fields, fault });
  else log.info({ event: "customer_read", ...fields, subscription: read?.chosen?.id ?? null });
}

/** This read is for earlier links, too: a job for each, tried again beside it, would keep the worker from other customers. */
async function forgetFailed(db: Db, organizationId: string): Promise<void> {
  await sql`
    delete from ${sql.table(`${queueSchema}.job`)}
    where name = ${readCustomerQueue.name} and singleton_key = ${organizationId} and state = 'retry'
  `.execute(db);
}

async function findWanted(
  db: Db,
  organizationId: string,
): Promise<{ customer: string; wantedAt: string } | undefined> {
  const wanted = await sql<{ customer: string; wantedAt: string }>`
    select stripe_customer_id as customer, read_wanted_at::text as "wantedAt"
    from metering.subscriptions
    where organization_id = ${organizationId} and read_wanted_at is not null and stripe_customer_id is not null
  `.execute(db);
  return wanted.rows[0];
}

function faultOf(customer: CustomerMode, mode: KeyMode): CustomerFault | null {
  switch (customer.kind) {
    case "found":
      return customer.mode === mode ? null : "other_mode";
    case "of_the_other_mode":
      return "other_mode";
    case "deleted":
      return "deleted";
    case "unknown":
      return "unknown";
  }
}
