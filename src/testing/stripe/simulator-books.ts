import type { Books } from "../../acceptance/crash/ledger.ts";

/** The records so far of a simulator in another process. */
export async function readBooks(simulatorUrl: string): Promise<Books> {
  const [bill, meterEvents, requests, state] = await Promise.all(
    ["bill", "meter_events", "requests", "state"].map(async (view) => {
      const answer = await fetch(`${simulatorUrl}/_simulator/${view}`);
      if (!answer.ok) throw new Error(`the simulator answered ${answer.status}: ${await answer.text()}`);
      return answer.json();
    }),
  );
  // The same program wrote them, of the same version.
  return {
    bill: () => (bill as { data: ReturnType<Books["bill"]> }).data,
    meterEvents: () => (meterEvents as { data: ReturnType<Books["meterEvents"]> }).data,
    requests: () => requests as ReturnType<Books["requests"]>,
    state: () => state as ReturnType<Books["state"]>,
  };
}
