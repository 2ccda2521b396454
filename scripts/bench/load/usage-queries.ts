import type { Site } from "../site/site.ts";
import type { HttpServer } from "./http-contestant.ts";

/** A client's question to `GET /v1/usage`, and the readings that each organization has in that span. */
export type UsageQuestion = { granularity: "hour" | "day"; from: Date; to: Date; readings: number };

/**
 * One contestant: asks for one organization's usage after the other's, one request at a time, and returns answers a
 * second. Throws when an answer does not add up.
 */
export function usageContestant(
  site: Site,
  { port, fleet }: Pick<HttpServer, "port" | "fleet">,
  question: UsageQuestion,
): () => Promise<number> {
  const { granularity, from, to } = question;
  const query = new URLSearchParams({
    meter: "temperature_readings",
    granularity,
    from: from.toISOString(),
    to: to.toISOString(),
  });
  const address = `http://127.0.0.1:${port}/v1/usage?${query.toString()}`;
  return async () => {
    const startedAtMs = performance.now();
    const seconds = () => (performance.now() - startedAtMs) / 1_000;
    let answers = 0;
    while (seconds() < site.secondsPerRound) {
      const { key } = fleet.senders[answers % fleet.senders.length] ?? { key: "" };
      const delivered = await askUsage(address, key);
      if (delivered !== question.readings) {
        throw new Error(`${delivered} of ${question.readings} delivered readings are in the usage`);
      }
      answers += 1;
    }
    return answers / seconds();
  };
}

async function askUsage(address: string, key: string): Promise<number> {
  const answer = await fetch(address, { headers: { authorization: `Bearer ${key}` } });
  if (answer.status !== 200) throw new Error(`the usage was answered ${answer.status}`);
  const { data } = (await answer.json()) as { data: { delivered: number }[] };
  return data.reduce((sum, { delivered }) => sum + delivered, 0);
}
