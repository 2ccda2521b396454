import type { FaultInput } from "../../simulator/faults/fault.ts";

const eventsPath = "/v1/billing/meter_events";

/** Every way in which a request can go wrong, one in five together, and answers that take their time. */
export const fifthOfAllFaults: readonly FaultInput[] = [
  { kind: "latency", distribution: "exponential", ms: 30, path: eventsPath },
  ...shared(0.2, [
    { kind: "accept_then_cut", sent: "nothing" },
    { kind: "accept_then_cut", sent: "half_body" },
    { kind: "accept_then_500" },
    { kind: "stored_500" },
    { kind: "cut_before" },
    { kind: "status", status: 409 },
    { kind: "status", status: 429, retry_after_seconds: 0 },
    { kind: "status", status: 500 },
    { kind: "status", status: 503 },
  ]),
];

/** In the words: cut after accepting 30 %, a 500 after accepting another 20 %, and 429 at random. */
export const acceptingAndFailing: readonly FaultInput[] = [
  ...shared(0.3, [
    { kind: "accept_then_cut", sent: "nothing" },
    { kind: "accept_then_cut", sent: "half_body" },
  ]),
  { kind: "accept_then_500", rate: 0.2 / 0.7, path: eventsPath },
  { kind: "status", status: 429, retry_after_seconds: 0, rate: 0.1, path: eventsPath },
];

/** Gives each of the faults the same share of all requests. A rule sees only what the rules before it let pass. */
function shared(rate: number, faults: readonly FaultInput[]): FaultInput[] {
  const each = rate / faults.length;
  return faults.map((fault, index) => ({ ...fault, rate: each / (1 - each * index), path: eventsPath }));
}
