type Section = { name: string; type: string; statement: string };

/**
 * Orders what pg_dump wrote so that a table is read in one place: each table with its comments, constraints,
 * indexes and triggers behind it, and the functions last. Throws when a section belongs to no table that pg_dump wrote.
 */
export function groupByTable(dump: string): string {
  const sections = readSections(dump);
  const tables = sections.filter(({ type }) => type === "TABLE").map(({ name }) => name);
  const isOwn = (section: Section, table: string) => tableOf(section) === table;
  const stray = sections.find((section) => needsTable(section) && !tables.includes(tableOf(section) ?? ""));
  if (stray !== undefined) throw new Error(`${stray.type} ${stray.name} belongs to no table`);
  const general = sections.filter((section) => tableOf(section) === undefined);
  const groups = tables.flatMap((table) => [
    `-- ${table}`,
    ...sections.filter((section) => isOwn(section, table)).map(({ statement }) => statement),
  ]);
  return `\n${[...groups, "-- functions and views", ...general.map(({ statement }) => statement)].join("\n\n")}\n`;
}

function readSections(dump: string): Section[] {
  const parts = dump.split(/^--\n-- Name: (.*); Type: (.*); Schema: .*\n--\n/m).slice(1);
  const sections: Section[] = [];
  for (let at = 0; at < parts.length; at += 3) {
    const [name = "", type = "", text = ""] = parts.slice(at, at + 3);
    sections.push({ name, type, statement: withoutSettings(text) });
  }
  return sections.filter(({ type }) => type !== "SCHEMA");
}

// Lines of the dump about restoring it, not about the schema.
function withoutSettings(text: string): string {
  const [statement = ""] = text.split("\n--\n-- PostgreSQL database dump complete");
  return statement.replaceAll(/^(?:SET default_\w+ = .*;|\\(?:un)?restrict .*)\n+/gm, "").trim();
}

const ofTables = ["TABLE", "CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "INDEX", "TRIGGER", "DEFAULT"];

function needsTable({ type, name }: Section): boolean {
  return ofTables.includes(type) || (type === "COMMENT" && /^(?:TABLE|COLUMN) /.test(name));
}

function tableOf(section: Section): string | undefined {
  if (!needsTable(section)) return undefined;
  const { type, name, statement } = section;
  if (type === "INDEX") return /\bON (?:ONLY )?metering\.(\w+)/.exec(statement)?.[1];
  if (type === "COMMENT") return /^(?:TABLE|COLUMN) (\w+)/.exec(name)?.[1];
  return name.split(" ")[0];
}
