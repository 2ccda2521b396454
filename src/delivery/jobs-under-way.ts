import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { keptPlan } from "../database/keep-plans.ts";
import { onKeys } from "../database/one-plan.ts";
import { deliverJobPayload, deliverQueueOf, shipmentPayload, shipmentQueueOf } from "../queue/queues.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import type { MeterName } from "../usage/meters.ts";

/** The events in shipments of this meter that workers have taken. */
export function listShipped(db: Db, meter: MeterName): Promise<MeterEventKey[]> {
  return listEvents(db, { queues: [shipmentQueueOf(meter)], except: [] });
}

/** The events in jobs of this meter that workers have taken, apart from these jobs. */
export function listTakenElsewhere(
  db: Db,
  meter: MeterName,
  except: readonly string[],
): Promise<MeterEventKey[]> {
  return listEvents(db, { queues: [shipmentQueueOf(meter), deliverQueueOf(meter)], except });
}

async function listEvents(
  db: Db,
  { queues, except }: { queues: readonly string[]; except: readonly string[] },
): Promise<MeterEventKey[]> {
  const { rows } = await onKeys(db, (one) =>
    sql<{ data: unknown }>`
      ${keptPlan()}
      select j.data
      from pgboss.job_common j
      -- In the words of pg-boss's own index of jobs that are taken. The name is an expression, which no index has: a plan by
      -- the key would read all jobs that wait, and Postgres makes one after an analyze that ran while all jobs were taken.
      where j.name || '' = any(${queues}::text[]) and j.state = 'active' and j.group_id is not null
        and not j.id = any(${except}::uuid[])
    `.execute(one),
  );
  return rows.flatMap(({ data }) => {
    const shipment = shipmentPayload.safeParse(data);
    const alone = deliverJobPayload.safeParse(data);
    return shipment.data?.events ?? (alone.success ? [alone.data] : []);
  });
}
