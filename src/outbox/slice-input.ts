import type { MeterName } from "../usage/meters.ts";
import type { DueOrganization } from "./due-organizations.ts";

export type SliceInput = {
  meter: MeterName;
  /** Each gets one meter event at most, in this order. */
  organizations: readonly DueOrganization[];
  /** Later entries are left to the next seal. */
  cutOff: Date;
  /** Of all slices together. */
  entriesMax: number;
  isTraced: boolean;
  /** As many events and more get their reminders together. */
  eventsPerShipmentMin: number;
  /** When finding, stamping and folding together must have ended, in Unix milliseconds. */
  untilMs: number;
  /** On a cluster: the organizations lie on one shard, and each statement says so. */
  isOneShard?: boolean;
};
