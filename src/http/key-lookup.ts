import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { hashApiKey, isApiKey } from "./api-key.ts";
import { overloaded } from "./overloaded.ts";
import type { Problem } from "./problem.ts";

/** The owner and the rights of a valid key. */
type KeyOwner = {
  keyId: string;
  organizationId: string;
  /** An archived organization reads its data and writes nothing. */
  isArchived: boolean;
  scopes: readonly string[];
};

export type FindKey = (key: string) => Promise<KeyOwner | undefined>;

/** A revoked key must fail within a second; half of that is left for the query. */
const lifetimeMs = 500;
const keysMax = 10_000;
/** Unknown keys that may wait for their look-up at once. */
const unknownKeysMax = 1_000;

type CachedLookup = { owner: Promise<KeyOwner | undefined>; startedAt: number; isKnown: boolean };

export type KeyLookupDeps = {
  db: Db;
  /** Connections for keys that were not found before, so that a flood of wrong keys cannot take all of `db`'s; `db` if left out. */
  unknownKeysDb?: Db | undefined;
  now?: () => number;
};

/**
 * Finds the owner of a key, or undefined if there is none or the key is revoked. Answers are shared and remembered
 * for half a second from the start of their query; unknown keys are not remembered.
 */
export function createKeyLookup({ db, unknownKeysDb = db, now = Date.now }: KeyLookupDeps): FindKey {
  const cache = new Map<string, CachedLookup>();
  let unknownKeys = 0;

  function remember(id: string, lookup: CachedLookup): void {
    // Deleted first, so that the map's order is the order of age and its first key the oldest.
    cache.delete(id);
    const [oldest] = cache.keys();
    if (oldest !== undefined && cache.size >= keysMax) cache.delete(oldest);
    cache.set(id, lookup);
  }

  return async (key) => {
    if (!isApiKey(key)) return undefined;
    const id = hashApiKey(key);
    const cached = cache.get(id);
    if (cached !== undefined && now() - cached.startedAt < lifetimeMs) return cached.owner;

    const wasKnown = cached?.isKnown ?? false;
    if (!wasKnown && unknownKeys >= unknownKeysMax) throw tooManyUnknownKeys();
    if (!wasKnown) unknownKeys += 1;
    const owner = findOwner(wasKnown ? db : unknownKeysDb, Buffer.from(id, "base64"));
    const lookup: CachedLookup = { owner, startedAt: now(), isKnown: wasKnown };
    remember(id, lookup);
    try {
      lookup.isKnown = (await owner) !== undefined;
    } catch (error) {
      // Asked again at once. A key that was known before the database was away does not count as unknown.
      lookup.startedAt = Number.NEGATIVE_INFINITY;
      throw error;
    } finally {
      if (!wasKnown) unknownKeys -= 1;
      if (!lookup.isKnown && cache.get(id) === lookup) cache.delete(id);
    }
    return owner;
  };
}

function tooManyUnknownKeys(): Problem {
  return overloaded(
    "Too many keys that this process has not seen lately are being looked up. Nothing was stored; send the same request again.",
  );
}

async function findOwner(db: Db, hash: Buffer): Promise<KeyOwner | undefined> {
  const found = await sql<KeyOwner & { isUseNoted: boolean }>`
    select k.id as "keyId", k.organization_id as "organizationId", o.archived_at is not null as "isArchived", k.scopes,
      coalesce(k.last_used_at > now() - interval '1 minute', false) as "isUseNoted"
    from metering.api_keys k
    join metering.organizations o on o.id = k.organization_id
    where k.key_hash = ${hash} and k.revoked_at is null
  `.execute(db);
  const [key] = found.rows;
  if (key === undefined) return undefined;
  const { isUseNoted, ...owner } = key;
  if (!isUseNoted) await noteUse(db, owner.keyId);
  return owner;
}

// `skip locked`: noting the use must never wait for another transaction that holds the key's row.
async function noteUse(db: Db, keyId: string): Promise<void> {
  await sql`
    update metering.api_keys set last_used_at = now()
    where id in (select id from metering.api_keys where id = ${keyId} and revoked_at is null for update skip locked)
  `.execute(db);
}
