import { type AttackedServer, attackServer } from "../load/attacks.ts";
import { type GatewaysOptions, type GatewaysOutcome, runGateways } from "../load/gateways.ts";
import { buildRequests } from "../load/http-request.ts";
import type { LoadPlan } from "../load/plan.ts";
import { serveTasks } from "../site/serve-tasks.ts";

let requests: Buffer[] = [];

const tasks = {
  /** Makes all requests, so that sending them costs little. */
  prepare: async (load: { plan: LoadPlan; port: number }): Promise<void> => {
    requests = buildRequests(load.plan, load.port);
  },
  gateways: (options: GatewaysOptions): Promise<GatewaysOutcome> => runGateways(requests, options),
  attack: ({ server, seconds }: { server: AttackedServer; seconds: number }) => attackServer(server, seconds),
};

export type OverloadTasks = typeof tasks;

serveTasks(tasks);
