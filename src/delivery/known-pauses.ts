import type { Db } from "../database/db.ts";
import type { MeterName } from "../usage/meters.ts";
import { account, type Pause, readPauses } from "./pauses.ts";

export type KnownPauses = {
  all: () => Promise<readonly Pause[]>;
  /** The pause that concerns a meter: the account's before its own. */
  concerning: (meter: MeterName) => Promise<Pause | undefined>;
  /** Makes the next look read them again, because this process changed one. */
  forget: () => void;
};

/** For how long a read of the pauses is used again; a pause made by this process counts at once. */
const believedMs = 1_000;

/** The pauses in force as this process knows them: read at most once a second, by one statement for all who ask. */
export function createKnownPauses(db: Db): KnownPauses {
  let pauses: Pause[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<readonly Pause[]> | undefined;
  let changes = 0;

  async function all(): Promise<readonly Pause[]> {
    if (performance.now() - readAtMs < believedMs) return pauses;
    // Each request asks before it is sent: one read of each would hold up the database for all of them.
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  async function read(): Promise<readonly Pause[]> {
    const changesBefore = changes;
    const askedAtMs = performance.now();
    pauses = await readPauses(db);
    // A pause that was made while the answer was on its way may be missing in it.
    if (changes !== changesBefore) return read();
    readAtMs = askedAtMs;
    return pauses;
  }

  return {
    all,
    async concerning(meter) {
      const known = await all();
      return known.find(({ scope }) => scope === account) ?? known.find(({ scope }) => scope === meter);
    },
    forget() {
      changes += 1;
      readAtMs = Number.NEGATIVE_INFINITY;
    },
  };
}
