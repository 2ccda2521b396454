import type pg from "pg";

/** Lets a test's own pool be: its database may be dropped while the connections of the ended pool are still closing. */
export function outlivesDrop(pool: pg.Pool): pg.Pool {
  return pool.on("error", (error) => {
    if (!pool.ending) throw error;
  });
}
