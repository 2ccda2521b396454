import { expect, test } from "vitest";
import { watchServerTrouble } from "./server-trouble.ts";

test("trouble of a server is counted by its kind, from lines that come in pieces", () => {
  const { read, list } = watchServerTrouble();

  read("2026-11-24 18:00:00 UTC [1] LOG:  server process (PID 77) was terminated by sig");
  read("nal 9: Killed\n2026-11-24 18:00:01 UTC [80] FATAL:  the database system is in recovery mode\n");
  read("2026-11-24 18:00:01 UTC [81] FATAL:  the database system is in recovery mode\n");
  read(
    '2026-11-24 18:00:02 UTC [82] ERROR:  duplicate key value violates unique constraint "readings_pkey"\n',
  );
  read("2026-11-24 18:00:03 UTC [1] LOG:  server process (PID 115) exited with exit code 2\n");
  read("2026-11-24 18:00:03 UTC [1] LOG:  terminating any other active server processes\n");
  read("2026-11-24 18:00:03 UTC [83] FATAL:  sorry, too many clients already\n");

  expect(list()).toEqual([
    "1 × terminated by signal 9: Killed",
    "2 × in recovery mode",
    "1 × terminating any other active server processes",
    "1 × too many clients",
  ]);
});

test("a server without trouble has nothing to tell", () => {
  const { read, list } = watchServerTrouble();

  read("2026-11-24 18:00:00 UTC [1] LOG:  database system is ready to accept connections\n");
  read("2026-11-24 18:00:02 UTC [82] FATAL:  terminating connection due to administrator command\n");

  expect(list()).toEqual([]);
});
