import { commitBatches } from "../../../src/intake/commit-batches.ts";
import { mountReadings } from "../../../src/api/readings/readings-route.ts";
import { createPeer, limits, servePeer } from "./peer-server.ts";

// Our own intake without group commit: a transaction for each request.
const { app, pool, log, mayWrite, keys } = createPeer("direct-intake");
mountReadings(app, {
  store: async (organizationId, readings) => {
    const [stored = []] = await commitBatches(pool, [{ organizationId, readings }]);
    return stored;
  },
  log,
  now: () => new Date(),
  limits,
  mayWrite,
  keys,
});

await servePeer(app);
