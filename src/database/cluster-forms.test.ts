import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";

/**
 * Forms that a cluster (Citus) refuses in statements on distributed tables, and Postgres takes. Each has another form that
 * both take. Tables that stay on one node may have them.
 */
const refused: { name: string; form: RegExp }[] = [
  { name: "a subquery in `from` that selects nothing: select 1", form: /\bfrom\s*\(\s*select\s+from\b/ },
  {
    name: "the time in `do update set`: insert it, and take `excluded`",
    form: /\bdo update\s+set\b(?:(?!\bwhere\b|\breturning\b)[^`])*\b(?:now|\w+_timestamp)\(\)/,
  },
  {
    name: "clock_timestamp() in an update: statement_timestamp()",
    form: /\bupdate metering\.\w+(?:(?!\binsert\b|\bwhere\b)[^`])*\bset\b(?:(?!\bwhere\b)[^`])*clock_timestamp\(\)/,
  },
  {
    name: "the time in coalesce() or case of an update: take it from a list or a subquery",
    form: /\bupdate metering\.\w+(?:(?!\binsert\b|\bwhere\b)[^`])*\bset\b(?:(?!\bwhere\b)[^`])*(?:\bcoalesce\([^()]*\bnow\(\)|\bthen now\(\))/,
  },
  {
    name: "an element of an array in an update, at which Citus 13.2 ends the server: a case, or take it from a list",
    form: /\bupdate metering\.\w+(?:(?!\binsert\b|\bwhere\b|\bfrom\b)[^`])*\bset\b(?:(?!\bwhere\b|\bfrom\b)[^`])*[\])]\[/,
  },
];

/** On one node, whatever the rest does. */
const localTables =
  /\b(?:into|update) metering\.(?:processes|retention|delivery_control|alerts|alert_watch|reconcile_reads|api_keys)\b/;

const src = new URL("../", import.meta.url);

async function readStatements(): Promise<{ file: string; text: string }[]> {
  const names = await readdir(src, { recursive: true });
  const files = names.filter(
    (name) =>
      /\.tsx?$/.test(name) &&
      !/\.test\.tsx?$|^(testing|acceptance|simulator)\b/.test(name.replaceAll("\\", "/")),
  );
  const statements = await Promise.all(
    files.map(async (file) => {
      const source = await readFile(new URL(file, src), "utf8");
      return [...source.matchAll(/sql(?:<[^`]*>)?`([^`]*)`/g)].map((match) => ({
        file,
        text: match[1] ?? "",
      }));
    }),
  );
  return statements.flat();
}

test("no statement has a form that a cluster refuses", async () => {
  const statements = await readStatements();
  expect(statements.length).toBeGreaterThan(100);

  const found = statements
    .filter(({ text }) => !localTables.test(text))
    .flatMap(({ file, text }) =>
      refused.filter(({ form }) => form.test(text)).map(({ name }) => `${file}: ${name}`),
    );

  expect(found).toEqual([]);
});
