import type { MeterName } from "../usage/meters.ts";
import type { DueOrganization } from "./due-organizations.ts";

export type SliceInput = {
  meter: MeterName;
  /** Each has one turn at most, in this order. */
  organizations: readonly DueOrganization[];
  /** Slices of a turn at most. Of what follows the first one as many entries are read. */
  slicesEach: number;
  /** Later entries are left to the next seal. */
  cutOff: Date;
  /** Of all slices together. */
  entriesMax: number;
  /** An organization of which as many pending events have failed has no first turn; no bound when left out. */
  failedOfOneMax?: number;
  isTraced: boolean;
  /** As many events and more get their reminders together. */
  eventsPerShipmentMin: number;
  /** When finding, stamping and folding together must have ended, in Unix milliseconds. */
  untilMs: number;
  /** On a cluster: the organizations lie on one shard, and each statement says so. */
  isOneShard?: boolean;
};
