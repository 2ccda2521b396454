import { setTimeout as wait } from "node:timers/promises";
import { isDatabaseUnavailable } from "./database-unavailable.ts";

/** Nodes that could not be reached, each with why. */
export type NodesAway = Map<string, unknown>;

/** The nodes of a cluster that gave no answer, as long as they give none. */
export type SilentNodes = {
  /** A copy. */
  list: () => NodesAway;
  /** A statement about an organization failed, as it does where its node is away. */
  suspect: (node: string, failed: { organizationId: string; error: unknown }) => void;
};

const usualAgainMs = 2_000;

/**
 * Remembers the nodes that are suspected, so that no other statement waits for them. `ask` puts a short question about the
 * organization to its node, in the background, again and again until the node answers: a statement that took too long for
 * another reason leaves its node out for no longer than that.
 */
export function createSilentNodes(
  ask: (organizationId: string) => Promise<unknown>,
  againMs = usualAgainMs,
): SilentNodes {
  const silent: NodesAway = new Map();

  async function isSilent(organizationId: string): Promise<boolean> {
    try {
      await ask(organizationId);
      return false;
    } catch (error) {
      // Of another error, as of connections that were closed, the next statement tells.
      return isDatabaseUnavailable(error);
    }
  }

  async function forgetOnceItAnswers(node: string, organizationId: string): Promise<void> {
    while (await isSilent(organizationId)) await wait(againMs, undefined, { ref: false });
    silent.delete(node);
  }

  return {
    list: () => new Map(silent),
    suspect(node, { organizationId, error }) {
      if (silent.has(node)) return;
      silent.set(node, error);
      void forgetOnceItAnswers(node, organizationId);
    },
  };
}
