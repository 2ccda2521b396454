import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { onKeys } from "../database/one-plan.ts";
import { deliverJobPayload, deliverQueueOf, shipmentPayload, shipmentQueueOf } from "../queue/queues.ts";
import type { MeterName } from "../usage/meters.ts";

/** Organizations with an event in a shipment of this meter that a worker has taken. */
export function listShipped(db: Db, meter: MeterName): Promise<Set<string>> {
  return listOrganizations(db, { queues: [shipmentQueueOf(meter)], except: [] });
}

/** Organizations with an event of this meter in a job that a worker has taken, apart from these jobs. */
export function listTakenElsewhere(
  db: Db,
  meter: MeterName,
  except: readonly string[],
): Promise<Set<string>> {
  return listOrganizations(db, { queues: [shipmentQueueOf(meter), deliverQueueOf(meter)], except });
}

async function listOrganizations(
  db: Db,
  { queues, except }: { queues: readonly string[]; except: readonly string[] },
): Promise<Set<string>> {
  const { rows } = await onKeys(db, (one) =>
    sql<{ data: unknown }>`
      select j.data
      from pgboss.job j
      -- In the words of pg-boss's own index.
      where j.name = any(${queues}::text[]) and j.state = 'active' and j.group_id is not null
        and not j.id = any(${except}::uuid[])
    `.execute(one),
  );
  const events = rows.flatMap(({ data }) => {
    const shipment = shipmentPayload.safeParse(data);
    const alone = deliverJobPayload.safeParse(data);
    return shipment.data?.events ?? (alone.success ? [alone.data] : []);
  });
  return new Set(events.map(({ organizationId }) => organizationId));
}
