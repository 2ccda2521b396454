import { Overloaded } from "./overloaded.ts";
import { createPresence, type IntakeBounds, type Presence } from "./presence.ts";

/** What the organizations of one node of a cluster may have of this process. */
export type Node = {
  presence: Presence;
  /** Runs `commit` when one of the node's connections is free. Throws `Overloaded` after the longest wait. */
  inTurn: <T>(commit: () => Promise<T>) => Promise<T>;
};

/** A node's share of the bounds and of the connections: one that hangs leaves the other half to the others. */
const share = 0.5;

export type NodeLimits = { bounds: IntakeBounds; connectionsMax: number; now: () => number };

/** Makes the node of a name when it is asked for first. */
export function createNodes({ bounds, connectionsMax, now }: NodeLimits): (name: string) => Node {
  const nodes = new Map<string, Node>();
  const { requestsMax, readingsMax, waitMsMax } = bounds;
  return (name) => {
    const node = nodes.get(name) ?? {
      presence: createPresence({ requestsMax: requestsMax * share, readingsMax: readingsMax * share }),
      inTurn: createTurns({ turnsMax: Math.max(1, Math.floor(connectionsMax * share)), waitMsMax, now }),
    };
    nodes.set(name, node);
    return node;
  };
}

type TurnLimits = { turnsMax: number; waitMsMax: number; now: () => number };

function createTurns({ turnsMax, waitMsMax, now }: TurnLimits): Node["inTurn"] {
  const waiting: (() => void)[] = [];
  let taken = 0;
  return async (commit) => {
    const sinceMs = now();
    if (taken < turnsMax) taken += 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      if (now() - sinceMs > waitMsMax) throw new Overloaded();
      return await commit();
    } finally {
      const next = waiting.shift();
      if (next === undefined) taken -= 1;
      else next();
    }
  };
}
