import type { Db } from "../../database/db.ts";
import type { Asked } from "./asked.ts";
import type { Sample } from "./database-gauges.ts";
import { readBilledTwiceGauges, readDraftGauges, readNotBilledGauges } from "./read-close.ts";
import { readFigureGauges } from "./read-figure-gauges.ts";
import { readInboxGauges } from "./read-inbox.ts";
import { readMeterEventGauges } from "./read-meter-events.ts";
import { readReconciliationGauges } from "./read-reconciliation.ts";
import { readHeartbeatGauges } from "./read-processes.ts";
import { readUnbillableGauges } from "./read-unbillable.ts";
import { readUninvoicedGauges } from "./read-uninvoiced.ts";
import { readPauseGauges } from "./read-pauses.ts";
import { readUnsealedAgeGauges, readUnsealedGauges } from "./read-unsealed.ts";
import { readPartitionGauges, readRetentionGauges, readSensorCountGauges } from "./read-upkeep.ts";

/** One statement, or few, with its own time limit. If it fails, only its own gauges are missing. */
export type Read = { name: string; read: (db: Db, asked: Asked) => Promise<Sample[]> };

/** All reads of the database for metrics. Reads for alerts come first, and slow ones last. */
export const databaseReads: readonly Read[] = [
  { name: "unsealed_ages", read: readUnsealedAgeGauges },
  { name: "meter_events", read: readMeterEventGauges },
  { name: "pauses", read: readPauseGauges },
  { name: "webhook_inbox", read: readInboxGauges },
  { name: "default_partitions", read: readPartitionGauges },
  { name: "retention", read: readRetentionGauges },
  { name: "sensor_counts", read: readSensorCountGauges },
  { name: "heartbeats", read: readHeartbeatGauges },
  { name: "figures", read: readFigureGauges },
  { name: "reconciliation", read: readReconciliationGauges },
  { name: "drafts", read: readDraftGauges },
  { name: "not_billed", read: readNotBilledGauges },
  { name: "billed_twice", read: readBilledTwiceGauges },
  { name: "uninvoiced", read: readUninvoicedGauges },
  { name: "unsealed_amounts", read: readUnsealedGauges },
  { name: "unbillable_organizations", read: readUnbillableGauges },
];
