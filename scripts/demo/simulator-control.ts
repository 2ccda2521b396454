const requestTimeoutMs = 15_000;

/** Tells the simulator what no Stripe can be told, by one of its control endpoints. Throws what it refuses. */
export async function controlSimulator(
  { apiBase }: { apiBase: string },
  path: string,
  body: unknown,
): Promise<void> {
  const answer = await fetch(`${apiBase}/_simulator/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(requestTimeoutMs),
  });
  if (!answer.ok) throw new Error(`the simulator refused ${path}: ${await answer.text()}`);
}
