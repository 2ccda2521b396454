import { createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { silentLog } from "../log.ts";
import { createBoss } from "../queue/boss.ts";
import { listen } from "../testing/net/listen.ts";
import { openDatabase } from "./pool.ts";

/** Postgres's own: `AuthenticationOk` and `ReadyForQuery`. */
const welcome = Buffer.from("5200000008000000005a0000000549", "hex");

test("pg-boss's connection that breaks during its first words ends no process", async () => {
  const url = await listenAndCut();
  const uncaught = noteUncaught();
  const boss = createBoss({ databaseUrl: url, role: "worker", connectionsMax: 2 }, silentLog);

  await expect(boss.start()).rejects.toThrow("Connection terminated");

  expect(uncaught).toEqual([]);
});

test("a connection of ours that breaks during its first words ends no process", async () => {
  const url = await listenAndCut();
  const uncaught = noteUncaught();
  const { pool, close } = openDatabase(
    { connectionString: url, applicationName: "cut", connectionsMax: 1 },
    silentLog,
  );
  onTestFinished(close);

  await expect(pool.query("select 1")).rejects.toThrow("Connection terminated");

  expect(uncaught).toEqual([]);
});

/** A server that lets each client in and hangs up at its first statement. */
async function listenAndCut(): Promise<string> {
  const welcomed = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => {
      if (welcomed.has(socket)) return socket.destroy();
      welcomed.add(socket);
      return socket.write(welcome);
    });
  });
  onTestFinished(() => void server.close());
  return `postgres://postgres@127.0.0.1:${await listen(server)}/postgres`;
}

function noteUncaught(): unknown[] {
  const uncaught: unknown[] = [];
  const note = (error: unknown) => void uncaught.push(error);
  process.on("uncaughtException", note);
  onTestFinished(() => void process.off("uncaughtException", note));
  return uncaught;
}
