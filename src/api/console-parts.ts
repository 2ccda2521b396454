import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import type { App } from "../http/app-env.ts";
import type { Log } from "../log.ts";

/** The API lends these to the console, which stands above it and is mounted beside its routes. */
export type ConsoleParts = {
  db: Db;
  /** Only sends; the API never runs a job. */
  boss: PgBoss;
  log: Log;
  adminToken: string;
  /** The token of a reader who may only look. */
  consoleToken?: string | undefined;
  /** Signs in once, within ten minutes of the start: the demo's. */
  signInCode?: string | undefined;
  billableStatuses: readonly string[];
  /** How often the renewing figures are read; the default when left out. */
  live?: { reusedMs: number; reusedPerDuration: number; reusedMsMax: number };
  /** How long the start page waits for what needs attention, before it is shown without; the default when left out. */
  attentionWaitMs?: number;
  now: () => Date;
};

/** Called when the console is on, so that no process loads pages that it does not serve. */
export type LoadConsole = () => Promise<{ mountConsole: (app: App, parts: ConsoleParts) => Promise<void> }>;
