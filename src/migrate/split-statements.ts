/** What a `;` inside of ends no statement: a comment, a string, a quoted name, a body between dollars. */
const whole = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"[^"]*"|(\$\w*\$)[\s\S]*?\1/g;

/**
 * The statements of a migration, each with the comments before it. A cluster hands some commands on to its nodes as the text
 * in which they came, and a node takes one command of a text.
 */
export function splitStatements(text: string): string[] {
  const statements: string[] = [];
  let from = 0;
  for (const at of endsOf(text)) {
    statements.push(text.slice(from, at));
    from = at + 1;
  }
  return [...statements, text.slice(from)].filter((statement) => !isEmpty(statement));
}

/** Where a `;` ends a statement. */
function endsOf(text: string): number[] {
  // As long as before, so that places stay as they are.
  const bare = text.replace(whole, (hidden) => " ".repeat(hidden.length));
  return [...bare.matchAll(/;/g)].map(({ index }) => index);
}

function isEmpty(statement: string): boolean {
  return statement.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, "").trim() === "";
}
