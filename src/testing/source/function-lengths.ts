import { parseAst } from "vitest/node";

export type FunctionLength = { name: string; line: number; lines: number };

type Node = { type: string; start: number; end: number } & Record<string, unknown>;
/** Offsets of the source. */
type Span = { start: number; end: number };

const functionTypes = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];

/**
 * How many lines each function of a file has that has a body in braces, from its first to its last. The lines of SQL
 * statements (templates with the tag `sql`) and lines without code (blank ones and comments) are left out: a statement is
 * written as one whole, however long it is.
 */
export function functionLengths({ path, text }: { path: string; text: string }): FunctionLength[] {
  const statements: Span[] = [];
  const functions: (Span & { name: string })[] = [];
  const visit = (node: Node, parent?: Node) => {
    if (node.type === "TaggedTemplateExpression" && isNode(node["tag"])) {
      if (/^sql\b/.test(text.slice(node["tag"].start, node["tag"].end))) statements.push(node);
    }
    if (functionTypes.includes(node.type) && isNode(node["body"]) && node["body"].type === "BlockStatement") {
      functions.push({ start: node.start, end: node.end, name: nameOf(node) || nameOf(parent) });
    }
    for (const child of Object.values(node).flat()) if (isNode(child)) visit(child, node);
  };
  const program: unknown = parseAst(text, { lang: path.endsWith("x") ? "tsx" : "ts" });
  if (!isNode(program)) throw new Error(`${path} cannot be parsed`);
  visit(program);
  const lineAt = indexLines(text);
  const lines = codeLines(
    text,
    statements.map(({ start, end }) => ({ start: lineAt(start), end: lineAt(end) })),
  );
  return functions.map(({ start, end, name }) => {
    const [first, last] = [lineAt(start), lineAt(end)];
    return { name, line: first, lines: lines.slice(first - 1, last).filter(Boolean).length };
  });
}

/** For each line, whether it has code that counts. The statements are told by their lines. */
function codeLines(text: string, statements: readonly { start: number; end: number }[]): boolean[] {
  const isCode = text
    .replaceAll(/\/\*.*?\*\/|(?<=^|\s)\/\/[^\n]*/gs, (comment) => comment.replaceAll(/[^\n]/g, ""))
    .split("\n")
    .map((line) => line.trim() !== "");
  // The line on which a statement begins is code that calls for it.
  for (const { start, end } of statements) isCode.fill(false, start, end);
  return isCode;
}

/** Tells the line of an offset, from 1. */
function indexLines(text: string): (offset: number) => number {
  const lines = new Uint32Array(text.length + 1);
  let line = 1;
  for (let offset = 0; offset <= text.length; offset += 1) {
    lines[offset] = line;
    if (text[offset] === "\n") line += 1;
  }
  return (offset) => lines[offset] ?? line;
}

function nameOf(node: Node | undefined): string {
  const name = node?.["id"] ?? node?.["key"];
  return isNode(name) && typeof name["name"] === "string" ? name["name"] : "";
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}
