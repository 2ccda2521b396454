import type { Reading } from "../usage/reading.ts";

/** The result of a reading that was valid in itself. */
export type StoredAs =
  | { status: "accepted" }
  | { status: "duplicate" }
  | {
      status: "rejected";
      code: "conflict" | "unknown_sensor" | "sensor_inactive" | "too_old";
      detail: string;
    };

/** A reading that was not inserted: its place in the statement's input, and the row that is stored in its place. */
export type Missed = { index: number; is_known: boolean; is_active: boolean; stored: number | null };

/** Why a reading was not inserted, from the row that the statement found in its place. */
export function judgeMissed(row: Missed, reading: Reading): StoredAs {
  // Asked first: a reading that was stored while the sensor was active stays a duplicate when it is sent again
  // afterwards.
  if (row.stored !== null) return compare(row.stored, reading);
  if (!row.is_known) {
    return {
      status: "rejected",
      code: "unknown_sensor",
      detail: "register the sensor first: PUT /v1/sensors/{sensor_id}",
    };
  }
  if (!row.is_active) {
    return {
      status: "rejected",
      code: "sensor_inactive",
      detail: "the sensor is deactivated; PUT /v1/sensors/{sensor_id} with active true brings it back",
    };
  }
  // The statement has made sure that nothing else can be: its month was dropped, before it or while it ran.
  return {
    status: "rejected",
    code: "too_old",
    detail: "readings of this month are not kept any more; this one may have been billed before",
  };
}

/** How a reading compares with the temperature that is stored for its sensor and moment. */
export function compare(stored: number, reading: Reading): StoredAs {
  if (stored === reading.temperature) return { status: "duplicate" };
  return {
    status: "rejected",
    code: "conflict",
    detail: `${stored} °C is stored for this sensor and moment, and stays`,
  };
}
