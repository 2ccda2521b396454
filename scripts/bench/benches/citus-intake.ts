import type { Comparison } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { type Fleet, planLoad } from "../load/fleet.ts";
import { type Gateway, sendPlan, startGateway } from "../load/http-contestant.ts";
import { readFamilySeconds, readProcessorSeconds } from "../site/processor-time.ts";
import type { Site } from "../site/site.ts";

const ofOne = (connections: number) => ({
  what: `POST of one reading, ${connections} connections`,
  connections,
  readingsPerRequest: 1,
  firstRequests: 2_000,
});

/** A node's requests share statements, so that those of two nodes are half as large at the same number of connections. */
const loads = [
  {
    what: "POST of 500 readings, 8 connections",
    connections: 8,
    readingsPerRequest: 500,
    firstRequests: 100,
  },
  ofOne(64),
  ofOne(100),
];
type Load = (typeof loads)[number];

const intakeAtLeast = 0.75;
/** Rounds before the first that counts: programs are compiled as they run, and connections opened. */
const warmUpRounds = 3;
/** Of each round that is asked for, so many: the ratio of two rates on a busy machine wants more than a rate. */
const roundsFactor = 2;

/** An API on a database whose servers are these processes; the coordinator comes first. */
export type IntakeSide = { fleet: Fleet; port: number; apiPid: number; postgresPids: number[] };
type Sides = { ours: IntakeSide; theirs: IntakeSide };

/** What one round measured; microseconds of a core for each request. */
type Round = { readingsPerSecond: number; apiUs: number; postgresUs: number[] };

const microseconds = 1_000_000;

/** Readings taken in through the API, on a cluster against one Postgres, and the processor time of each part. */
export async function compareIntake(site: Site, sides: Sides): Promise<Omit<Comparison, "bench" | "peer">[]> {
  const gateway = startGateway(site);
  const comparisons: Omit<Comparison, "bench" | "peer">[] = [];
  for (const load of loads) {
    const contestants = (["ours", "theirs"] as const).map((name) => ({
      name,
      run: contestant(site, { gateway, load, side: sides[name] }),
    }));
    const measured = await interleave(contestants, roundsFactor * site.rounds, { warmUpRounds });
    comparisons.push(...compare(load, { ours: measured("ours"), theirs: measured("theirs") }));
  }
  return comparisons;
}

type ContestantInput = { gateway: Gateway; load: Load; side: IntakeSide };

/** Each round sends as many requests as the rounds before say fill the time. */
function contestant(site: Site, { gateway, load, side }: ContestantInput): () => Promise<Round> {
  const { connections, readingsPerRequest, firstRequests } = load;
  const server = { ...side, table: "metering.readings" };
  let requests = firstRequests;
  return async () => {
    const plan = planLoad(side.fleet, { requests, readingsPerRequest });
    const before: number[] = [];
    const after: number[] = [];
    const { seconds } = await sendPlan(gateway, {
      server,
      plan,
      connections,
      onStart: async () => void before.push(...(await readUsed(side))),
      onEnd: async () => void after.push(...(await readUsed(side))),
    });
    requests = Math.max(firstRequests, Math.round((requests / seconds) * site.secondsPerRound));
    const [apiUs = 0, ...postgresUs] = after.map(
      (used, n) => ((used - (before[n] ?? 0)) * microseconds) / plan.requests,
    );
    return { readingsPerSecond: (plan.requests * readingsPerRequest) / seconds, apiUs, postgresUs };
  };
}

/** Seconds of processor time: of the API, then of each server. */
function readUsed({ apiPid, postgresPids }: IntakeSide): Promise<number[]> {
  return Promise.all([readProcessorSeconds(apiPid), ...postgresPids.map(readFamilySeconds)]);
}

function compare(
  { what }: Load,
  { ours, theirs }: { ours: Round[]; theirs: Round[] },
): Omit<Comparison, "bench" | "peer">[] {
  const cost = (part: string, of: (round: Round) => number) => ({
    what: `${what}: ${part}`,
    unit: "µs of a core for a request",
    ours: ours.map(of),
    theirs: theirs.map(of),
  });
  const rate = ({ readingsPerSecond }: Round) => readingsPerSecond;
  return [
    {
      what,
      unit: "readings/s",
      ours: ours.map(rate),
      theirs: theirs.map(rate),
      target: { ratio: "at least", value: intakeAtLeast },
    },
    cost("the API", ({ apiUs }) => apiUs),
    cost("Postgres, all nodes", ({ postgresUs }) => postgresUs.reduce((sum, us) => sum + us, 0)),
    cost("Postgres, the coordinator or the one", ({ postgresUs }) => postgresUs[0] ?? 0),
  ];
}
