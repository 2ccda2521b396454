import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { hashApiKey, isApiKey } from "./api-key.ts";
import { overloaded } from "./overloaded.ts";
import type { Problem } from "./problem.ts";

/** The owner and the rights of a valid key. */
export type KeyOwner = {
  keyId: string;
  organizationId: string;
  /** An archived organization reads its data and writes nothing. */
  isArchived: boolean;
  scopes: readonly string[];
};

export type FindKey = (key: string) => Promise<KeyOwner | undefined>;
/** The owner of a key that was found lately; undefined for every other text, also for a valid key. */
export type RecallKey = (key: string) => KeyOwner | undefined;

/** A revoked key must fail within a second; half of that is left for the query. */
const lifetimeMs = 500;
/** Keys that were used after this long are looked up again by the next query for known ones. */
const renewableAfterMs = 250;
/** A key that is used after this long makes such a query, which has ended when the key runs out: its requests never wait. */
const renewedAfterMs = 400;
const keysPerQueryMax = 1_000;
const keysMax = 10_000;
/** Unknown keys that may wait for their look-up at once. */
const unknownKeysMax = 1_000;

type CachedLookup = {
  owner: Promise<KeyOwner | undefined>;
  /** The same, once it is there. */
  found?: KeyOwner | undefined;
  startedAt: number;
  isKnown: boolean;
  /** Resolves when `found` and `isKnown` say how it ended, well or not. */
  ended: Promise<void>;
};

export type KeyLookupDeps = {
  db: Db;
  /** Connections for keys that were not found before, so that a flood of wrong keys cannot take all of `db`'s; `db` if left out. */
  unknownKeysDb?: Db | undefined;
  /** Milliseconds of a clock that only goes forward: when the system clock is set back, a revoked key would live on. */
  now?: () => number;
};

/**
 * Finds the owner of a key, or undefined if there is none or the key is revoked. Answers are shared and remembered
 * for half a second from the start of their query; unknown keys are not remembered. A known key is looked up again in
 * one query with the others in use, shortly before it runs out, so that a hundred organizations that send all the time
 * cost no more queries than one.
 */
export function createKeyLookup({
  db,
  unknownKeysDb = db,
  now = () => performance.now(),
}: KeyLookupDeps): FindKey & { recall: RecallKey } {
  const cache = createKeyCache(now);
  let unknownKeys = 0;
  let isRenewing = false;

  /** Looks a known key up again, and with it the others that are in use. */
  function lookUpKnown(id: string): CachedLookup {
    const others = new Set(cache.takeRenewable());
    others.delete(id);
    const owners = findOwners(db, [id, ...others]);
    for (const one of others) cache.begin(one, owners, true);
    return cache.begin(id, owners, true);
  }

  function renewEarly(): void {
    if (isRenewing) return;
    isRenewing = true;
    // When it fails, the keys run out and are looked up again, and their requests are told.
    void Promise.allSettled([renewUsed()]).then(() => (isRenewing = false));
  }

  async function renewUsed(): Promise<void> {
    const ids = cache.takeRenewable();
    const startedAt = now();
    const owners = await findOwners(db, ids);
    for (const id of ids) cache.renew(id, owners.get(id), startedAt);
  }

  /** What is remembered of a key, if it still counts. */
  function freshOf(id: string): CachedLookup | undefined {
    const lookup = cache.freshOf(id);
    if (lookup?.found !== undefined && now() - lookup.startedAt >= renewedAfterMs) renewEarly();
    return lookup;
  }

  function lookUpUnknown(id: string): CachedLookup {
    if (unknownKeys >= unknownKeysMax) throw tooManyUnknownKeys();
    unknownKeys += 1;
    const lookup = cache.begin(id, findOwners(unknownKeysDb, [id]), false);
    void lookup.ended.finally(() => (unknownKeys -= 1));
    return lookup;
  }

  async function find(key: string): Promise<KeyOwner | undefined> {
    if (!isApiKey(key)) return undefined;
    const id = hashApiKey(key);
    const lookup = freshOf(id) ?? (cache.isKnown(id) ? lookUpKnown(id) : lookUpUnknown(id));
    return lookup.owner;
  }

  function recall(key: string): KeyOwner | undefined {
    return isApiKey(key) ? freshOf(hashApiKey(key))?.found : undefined;
  }

  return Object.assign(find, { recall });
}

function createKeyCache(now: () => number) {
  const cache = new Map<string, CachedLookup>();
  /** Known keys that were used lately, and could be looked up again. */
  const renewable = new Set<string>();

  function freshOf(id: string): CachedLookup | undefined {
    const cached = cache.get(id);
    if (cached === undefined) return undefined;
    const ageMs = now() - cached.startedAt;
    if (ageMs >= lifetimeMs) return undefined;
    if (ageMs >= renewableAfterMs && cached.isKnown && renewable.size < keysPerQueryMax) renewable.add(id);
    return cached;
  }

  function remember(id: string, lookup: CachedLookup): void {
    // Deleted first, so that the map's order is the order of age and its first key the oldest.
    cache.delete(id);
    const [oldest] = cache.keys();
    if (oldest !== undefined && cache.size >= keysMax) cache.delete(oldest);
    cache.set(id, lookup);
  }

  async function settle(id: string, lookup: CachedLookup): Promise<void> {
    try {
      lookup.found = await lookup.owner;
      lookup.isKnown = lookup.found !== undefined;
    } catch {
      // The requests that wait for it are told. Asked again at once; a key that was known before the database was away
      // does not count as unknown.
      lookup.startedAt = Number.NEGATIVE_INFINITY;
    }
    if (!lookup.isKnown && cache.get(id) === lookup) cache.delete(id);
  }

  /** Remembers a look-up that has begun. */
  function begin(id: string, owners: Promise<Map<string, KeyOwner>>, isKnown: boolean): CachedLookup {
    const owner = owners.then((found) => found.get(id));
    const lookup: CachedLookup = { owner, startedAt: now(), isKnown, ended: Promise.resolve() };
    lookup.ended = settle(id, lookup);
    remember(id, lookup);
    return lookup;
  }

  /** Puts a later answer in the place of what is remembered, unless that is newer still. */
  function renew(id: string, found: KeyOwner | undefined, startedAt: number): void {
    const cached = cache.get(id);
    if (cached === undefined || cached.startedAt >= startedAt) return;
    if (found === undefined) cache.delete(id);
    else
      remember(id, {
        owner: Promise.resolve(found),
        found,
        startedAt,
        isKnown: true,
        ended: Promise.resolve(),
      });
  }

  return {
    freshOf,
    begin,
    renew,
    isKnown: (id: string) => cache.get(id)?.isKnown === true,
    takeRenewable: (): string[] => {
      const ids = [...renewable];
      renewable.clear();
      return ids;
    },
  };
}

function tooManyUnknownKeys(): Problem {
  return overloaded(
    "Too many keys that this process has not seen lately are being looked up. Nothing was stored; send the same request again.",
  );
}

/** The owners of the valid ones among these hashes of keys. */
async function findOwners(db: Db, ids: readonly string[]): Promise<Map<string, KeyOwner>> {
  const hashes = ids.map((id) => Buffer.from(id, "base64"));
  const { rows } = await sql<KeyOwner & { keyHash: Buffer; isUseNoted: boolean }>`
    select k.key_hash as "keyHash", k.id as "keyId", k.organization_id as "organizationId",
      o.archived_at is not null as "isArchived", k.scopes,
      coalesce(k.last_used_at > now() - interval '1 minute', false) as "isUseNoted"
    from metering.api_keys k
    join metering.organizations o on o.id = k.organization_id
    where k.key_hash = any(${hashes}::bytea[]) and k.revoked_at is null
  `.execute(db);
  const unnoted = rows.filter(({ isUseNoted }) => !isUseNoted).map(({ keyId }) => keyId);
  if (unnoted.length > 0) await noteUse(db, unnoted);
  return new Map(
    rows.map(({ keyHash, keyId, organizationId, isArchived, scopes }) => [
      keyHash.toString("base64"),
      { keyId, organizationId, isArchived, scopes },
    ]),
  );
}

// `skip locked`: noting the use must never wait for another transaction that holds the key's row.
async function noteUse(db: Db, keyIds: readonly string[]): Promise<void> {
  await sql`
    update metering.api_keys set last_used_at = now()
    where id in (
      select id from metering.api_keys where id = any(${keyIds}::uuid[]) and revoked_at is null for update skip locked
    )
  `.execute(db);
}
