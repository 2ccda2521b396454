import { Socket } from "node:net";
import { expect, test } from "vitest";
import { silentLog } from "../log.ts";
import { openDatabase } from "./pool.ts";

test.each([2_000, 15_000, 30_000])(
  "an idle connection of statements that may take %i ms is closed before its silence counts as a lost server",
  (statementTimeoutMs) => {
    const options = { connectionString: "postgres://nobody@127.0.0.1:1/none", applicationName: "pool test" };
    const { pool } = openDatabase({ ...options, connectionsMax: 1, statementTimeoutMs }, silentLog);
    const makeSocket = pool.options.stream;
    if (typeof makeSocket !== "function") throw new Error("the pool makes no socket of its own");

    const socket = makeSocket();

    if (!(socket instanceof Socket)) throw new Error("the pool makes no plain socket");
    expect(pool.options.idleTimeoutMillis).toBeLessThan(socket.timeout ?? 0);
  },
);
