import { uuidsFrom } from "../database/uuid-v7.ts";
import type { DueOrganization } from "./due-organizations.ts";
import type { SealedEvent } from "./sealed-event.ts";

/**
 * Unsealed entries of an organization between two boundaries, up to the last one that a meter event takes; times as
 * Postgres's text. `ahead`: the organization's pending events before this turn.
 */
export type Stretch = Pick<
  SealedEvent,
  "organizationId" | "stripeCustomerId" | "isBilledElsewhere" | "ahead"
> & {
  /** The organization's place in the list of those that the seal asked for; 1 is the first. */
  place: number;
  hour: string;
  startsAt: string;
  lastAt: string;
  lastId: string;
  entries: number;
  /** There are more entries between the boundaries. */
  isCut: boolean;
  /** Its usage is not this customer's. */
  isOfNextLink: boolean;
};

/**
 * A stretch that is sealed, the id of its meter event to be, and which of its organization's turn it is: 0 is the first.
 * `ahead`: before it.
 */
export type Slice = Stretch & Pick<SealedEvent, "meterEventId"> & { inTurn: number };

export type Turns = {
  slices: Slice[];
  /** How many of the organizations have had their turn. */
  turns: number;
  /** The organizations that have more to seal, and from which time on. */
  unfinished: DueOrganization[];
};

type Choice = {
  /** Postgres's clock, from which the ids of meter events are made. */
  clock: string;
  organizations: readonly unknown[];
  /** Slices of an organization at most; as many entries were read at most of what follows its first stretch. */
  slicesEach: number;
  /** No organization's entries were left unread because others came before. */
  isReadWhole: boolean;
};

/**
 * Gives each organization its first stretch, and further ones that were read to their end. `found`: by organization, in
 * the order of their times.
 */
export function chooseSlices(
  found: readonly Stretch[],
  { clock, organizations, slicesEach, isReadWhole }: Choice,
): Turns {
  const byOrganization = [...Map.groupBy(found, ({ place }) => place).values()];
  // One that is cut only because others came before it begins the next transaction, and is not cut there.
  const turns = isReadWhole || byOrganization.length < 2 ? byOrganization : byOrganization.slice(0, -1);
  const isTurnReadWhole = isReadWhole || turns.length < byOrganization.length;
  const chosen = turns.map((stretches) =>
    chooseOfTurn(stretches, { slicesEach, isReadWhole: isTurnReadWhole }),
  );
  const slices = chosen.flatMap((turn) => turn.slices);
  const nextId = uuidsFrom(clock);
  return {
    slices: slices.map((slice) => ({ ...slice, meterEventId: nextId() })),
    turns: isReadWhole ? organizations.length : (turns.at(-1)?.[0]?.place ?? 0),
    unfinished: chosen.flatMap(({ unfinished }) => unfinished),
  };
}

function chooseOfTurn(
  stretches: readonly Stretch[],
  { slicesEach, isReadWhole }: Omit<Choice, "organizations" | "clock">,
): { slices: Omit<Slice, "meterEventId">[]; unfinished: DueOrganization[] } {
  const [first, ...next] = stretches;
  if (first === undefined) return { slices: [], unfinished: [] };
  const nextEntries = next.reduce((sum, { entries }) => sum + entries, 0);
  // The last one may go on behind what was read. So few entries are read that no more than a turn's slices are known.
  const known = isReadWhole && nextEntries < slicesEach ? next.length : next.length - 1;
  const unfit = next.findIndex(({ isCut, isOfNextLink }) => isCut || isOfNextLink);
  const further = first.isCut ? 0 : Math.min(known, unfit === -1 ? next.length : unfit);
  let { ahead } = first;
  const slices = [first, ...next.slice(0, further)].map((stretch, inTurn) => {
    const slice = { ...stretch, ahead, inTurn };
    if (!stretch.isBilledElsewhere) ahead += 1;
    return slice;
  });
  const from = first.isCut ? first.lastAt : next[further]?.startsAt;
  const unfinished = from === undefined ? [] : [{ organizationId: first.organizationId, from, ahead }];
  return { slices, unfinished };
}
