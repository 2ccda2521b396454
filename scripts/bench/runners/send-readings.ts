import { buildRequests } from "../load/http-request.ts";
import type { LoadPlan } from "../load/plan.ts";
import { type LoadOutcome, type LoadShape, sendLoad } from "../load/send-load.ts";
import { serveTasks } from "../site/serve-tasks.ts";

let port = 0;
let requests: Buffer[] = [];

const tasks = {
  /** Makes all requests, so that sending them costs little. */
  prepare: async (load: { plan: LoadPlan; port: number }): Promise<void> => {
    port = load.port;
    requests = buildRequests(load.plan, load.port);
  },
  send: async (shape: LoadShape): Promise<LoadOutcome> => sendLoad(port, requests, shape),
};

export type SendReadingsTasks = typeof tasks;

serveTasks(tasks);
