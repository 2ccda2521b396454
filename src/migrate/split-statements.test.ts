import { expect, test } from "vitest";
import { readMigrations } from "./migrations.ts";
import { splitStatements } from "./split-statements.ts";

test("each statement is alone, and no semicolon inside of one ends it", () => {
  const text = `-- Why: a; b.
create table a (b text default ';''');
create function c() returns void language plpgsql as $body$
begin
  perform '$$;'; -- ;
end
$body$;
do $$ begin null; end $$;
/* d; */ comment on column a."b;" is 'e;';
-- The end;
`;
  expect(splitStatements(text).map((statement) => statement.trim())).toEqual([
    "-- Why: a; b.\ncreate table a (b text default ';''')",
    "create function c() returns void language plpgsql as $body$\nbegin\n  perform '$$;'; -- ;\nend\n$body$",
    "do $$ begin null; end $$",
    `/* d; */ comment on column a."b;" is 'e;'`,
  ]);
});

test("a migration's statements together are all of it", async () => {
  for (const { text } of await readMigrations()) {
    const left = text.replaceAll(/--[^\n]*/g, "").replaceAll(/[\s;]/g, "");
    const together = splitStatements(text)
      .join(";")
      .replaceAll(/--[^\n]*/g, "")
      .replaceAll(/[\s;]/g, "");
    expect(together).toBe(left);
  }
});
