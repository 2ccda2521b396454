import { type LoadPlan, plannedRequest } from "./plan.ts";

/** The bytes of every request of a plan: `POST /v1/readings`, one reading as an object, several as a list. */
export function buildRequests(plan: LoadPlan, port: number): Buffer[] {
  return Array.from({ length: plan.requests }, (_, index) => {
    const { sender, readings } = plannedRequest(plan, index);
    const items = readings.map(({ sensorId, recordedAtMs, temperature }) => ({
      sensor_id: sensorId,
      recorded_at: new Date(recordedAtMs).toISOString(),
      temperature,
    }));
    const body = JSON.stringify(items.length === 1 ? items[0] : { readings: items });
    return Buffer.from(
      `POST /v1/readings HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${sender.key}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
}
