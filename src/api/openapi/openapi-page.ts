import { html, raw } from "hono/html";
import { z } from "zod";

const content = z.record(z.string(), z.looseObject({ schema: z.unknown() })).optional();
const answerSchema = z.looseObject({ description: z.string(), content });
/** A schema that only names another one. */
const namedSchema = z.strictObject({ $ref: z.string().transform((ref) => ref.replace(/^.*\//, "")) });
const operationSchema = z.looseObject({
  summary: z.string().optional(),
  description: z.string().optional(),
  tags: z.array(z.string()).default(["Other"]),
  security: z.array(z.record(z.string(), z.unknown())).default([]),
  parameters: z
    .array(
      z.looseObject({
        name: z.string(),
        in: z.string(),
        required: z.boolean().default(false),
        schema: z.unknown(),
      }),
    )
    .default([]),
  requestBody: z.looseObject({ content }).optional(),
  responses: z.record(z.string(), answerSchema).default({}),
});
const documentSchema = z.looseObject({
  info: z.looseObject({ title: z.string(), version: z.string(), description: z.string().optional() }),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)).default({}),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()).optional() }).optional(),
});

type Operation = z.infer<typeof operationSchema> & { method: string; path: string };
type Answer = z.infer<typeof answerSchema>;
type Rendered = ReturnType<typeof html>;

const tokenNames: Record<string, string> = {
  adminToken: "the operator's token",
  apiKey: "an organization's API key",
};

/**
 * The page's own style sheet, exactly as it stands between the page's tags: the page's policy allows it by its hash.
 */
export const pageStyle = `
  :root { color-scheme: light dark; --faint: #8884; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  h1, h2, h3, p, li, summary, td:last-child { overflow-wrap: anywhere; }
  h2 { border-bottom: 1px solid var(--faint); margin-top: 3rem; }
  h3 { margin-bottom: .5rem; } article { margin: 2.5rem 0; } article p { margin: .5rem 0; }
  nav h4 { margin: 1rem 0 0; } nav ul { list-style: none; margin: 0; padding: 0; columns: 22rem; }
  code, pre { font: .875em/1.4 ui-monospace, monospace; }
  pre { background: var(--faint); padding: .75rem; overflow: auto; max-height: 30rem; }
  h3 code { font-size: 1em; font-weight: 700; } summary { cursor: pointer; margin: .25rem 0; }
  table { border-collapse: collapse; margin: .75rem 0; }
  td, th { border: 1px solid var(--faint); padding: .25rem .5rem; text-align: left; vertical-align: top; }
`;

/**
 * Renders an OpenAPI document as one page to read, grouped by tags. Throws for anything that is not such a document.
 */
export function renderDocument(document: unknown): Rendered {
  const { info, paths, components } = documentSchema.parse(document);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Operation => ({ ...operation, method, path })),
  );
  const tags = [...new Set(operations.flatMap((operation) => operation.tags))];
  const taggedWith = (tag: string) => operations.filter((operation) => operation.tags.includes(tag));
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${info.title}</title>
        ${raw(`<style>${pageStyle}</style>`)}
      </head>
      <body>
        <h1>${info.title} ${info.version}</h1>
        <p>${info.description ?? ""} For machines: <a href="/openapi.json">/openapi.json</a>.</p>
        <nav>
          ${tags.map(
            (tag) =>
              html`<h4>${tag}</h4>
                <ul>
                  ${taggedWith(tag).map(renderLink)}
                </ul>`,
          )}
        </nav>
        ${tags.map(
          (tag) =>
            html`<h2>${tag}</h2>
              ${taggedWith(tag).map(renderOperation)}`,
        )}
        <h2>Schemas</h2>
        ${Object.entries(components?.schemas ?? {}).map(
          ([name, schema]) =>
            html`<h3 id="${name}">${name}</h3>
              ${renderSchema("Show", schema)}`,
        )}
      </body>
    </html>`;
}

function renderLink(operation: Operation): Rendered {
  return html`<li>
    <a href="#${idOf(operation)}"><code>${nameOf(operation)}</code></a>
  </li>`;
}

function nameOf({ method, path }: Operation): string {
  return `${method.toUpperCase()} ${path}`;
}

function idOf(operation: Operation): string {
  return nameOf(operation)
    .replaceAll(/[^A-Za-z0-9]+/g, "-")
    .replace(/-$/, "");
}

function renderOperation(operation: Operation): Rendered {
  const { summary = "", description = "", parameters, requestBody, responses } = operation;
  const tokens = operation.security.flatMap(Object.keys).map((name) => tokenNames[name] ?? name);
  const bodies = Object.entries(requestBody?.content ?? {});
  const answers = Object.entries(responses);
  return html`<article>
    <h3 id="${idOf(operation)}"><code>${nameOf(operation)}</code></h3>
    <p>${renderText(`${summary}. ${description}`)}</p>
    <p>Needs ${tokens.length === 0 ? "no token" : tokens.join(" and ")}.</p>
    ${parameters.length === 0 ? "" : renderParameters(operation)}
    ${bodies.map(([type, { schema }]) => renderSchema(`Body, ${type}`, schema))}
    <table>
      ${answers.map(renderAnswer)}
    </table>
    ${answers
      .filter(([status]) => status.startsWith("2"))
      .flatMap(([status, answer]) =>
        Object.entries(answer.content ?? {}).map((one) => [status, ...one] as const),
      )
      .map(([status, type, { schema }]) => renderSchema(`Answer ${status}, ${type}`, schema))}
  </article>`;
}

function renderAnswer([status, { description, content: types = {} }]: [string, Answer]): Rendered {
  return html`<tr>
    <th>${status}</th>
    <td>${renderText(description)} ${Object.keys(types).map((type) => html`<code>${type}</code> `)}</td>
  </tr>`;
}

function renderParameters({ parameters }: Operation): Rendered {
  return html`<table>
    <tr>
      <th>parameter</th>
      <th>in</th>
      <th>schema</th>
    </tr>
    ${parameters.map(
      (parameter) =>
        html`<tr>
          <td><code>${parameter.name}</code></td>
          <td>${parameter.in}${parameter.required ? ", required" : ""}</td>
          <td><code>${JSON.stringify(parameter.schema)}</code></td>
        </tr>`,
    )}
  </table>`;
}

/** Text as the document has it: text between backticks is code. */
function renderText(text: string): (string | Rendered)[] {
  return text.split("`").map((part, index) => (index % 2 === 0 ? part : html`<code>${part}</code>`));
}

/** Folded, since many schemas are longer than all the rest; one that only names another is a link to it. */
function renderSchema(title: string, schema: unknown): Rendered {
  const name = namedSchema.safeParse(schema).data?.$ref;
  if (name !== undefined) return html`<p>${title}: <a href="#${name}">${name}</a></p>`;
  return html`<details>
    <summary>${title}</summary>
    <pre>${JSON.stringify(schema, null, 2)}</pre>
  </details>`;
}
