import type { Site } from "../site/site.ts";

export type Asked = { url: string; token: string; paths: readonly string[] };

/** One contestant: asks for one path after the other, one request at a time, and returns answers a second. */
export function askingContestant(site: Site, { url, token, paths }: Asked): () => Promise<number> {
  return async () => {
    const startedAtMs = performance.now();
    const seconds = () => (performance.now() - startedAtMs) / 1_000;
    let answers = 0;
    while (seconds() < site.secondsPerRound) {
      const path = paths[answers % paths.length] ?? "/";
      const answer = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } });
      const text = await answer.text();
      if (answer.status !== 200)
        throw new Error(`${path} was answered ${answer.status}: ${text.slice(0, 200)}`);
      answers += 1;
    }
    return answers / seconds();
  };
}
