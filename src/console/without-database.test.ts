import { expect, onTestFinished, test } from "vitest";
import { apiProblemOf } from "../api/failure.ts";
import { openDatabase } from "../database/pool.ts";
import { createApp } from "../http/app.ts";
import { silentLog } from "../log.ts";
import { createBoss } from "../queue/boss.ts";
import { findFreePort } from "../testing/net/free-port.ts";
import { places } from "./layout/places.ts";
import { mountConsole } from "./mount-console.tsx";

const adminToken = "operator-token-of-the-console-0123456789";
const id = "00000000-0000-7000-8000-000000000000";
const others = [
  `/console/books/differences`,
  `/console/books/${id}`,
  `/console/books/${id}/compare`,
  `/console/books/${id}/comparisons/${id}`,
  `/console/books/${id}/window?customer=cus_1&meter=active_sensors&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z`,
  `/console/organizations/${id}`,
  `/console/organizations/${id}/statements/2026-01-01T00:00:00Z`,
  `/console/organizations/${id}/statements/2026-01-01T00:00:00Z/statement.csv`,
];

test("while the database refuses connections, signing in works and every page says what is the matter", async () => {
  const connectionString = `postgres://127.0.0.1:${await findFreePort()}/metering`;
  const { db, close } = openDatabase(
    { connectionString, applicationName: "console", connectionsMax: 2 },
    silentLog,
  );
  onTestFinished(close);
  const boss = createBoss({ databaseUrl: connectionString, role: "api", connectionsMax: 1 }, silentLog);
  const app = createApp({ log: silentLog, problemOf: apiProblemOf });
  await mountConsole(app, {
    db,
    boss,
    log: silentLog,
    adminToken,
    billableStatuses: ["active"],
    now: () => new Date(),
  });
  const signedIn = await app.request("/console/sign-in", {
    method: "POST",
    headers: { origin: "http://localhost", host: "localhost" },
    body: new URLSearchParams({ token: adminToken }),
  });
  expect(signedIn.status).toBe(303);
  const cookie = signedIn.headers.get("set-cookie")?.split(";")[0] ?? "";

  for (const path of [...Object.values(places).map((one) => one.path), ...others]) {
    const answer = await app.request(path, { headers: { cookie } });
    expect(answer.status, path).toBe(503);
    const page = await answer.text();
    expect(page, path).toContain("The database does not answer");
    expect(page, path).toContain("Try again");
  }
});
