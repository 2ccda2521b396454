import { html } from "hono/html";
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

/** Where the page's files are: its own, and those of swagger-ui. */
export type PageFiles = Record<"style" | "script" | "referenceStyle" | "reference", string>;

/**
 * Renders an OpenAPI document as one page to read, grouped by tags; where scripts run, its script puts swagger-ui's
 * reference in its place. Throws for anything that is not such a document.
 */
export function renderDocument(document: unknown, files: PageFiles): Rendered {
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
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="${files.referenceStyle}" />
        <link rel="stylesheet" href="${files.style}" />
        <script src="${files.script}"></script>
        <script src="${files.reference}" defer></script>
      </head>
      <body>
        <div id="reference"></div>
        <main id="plain">
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
        </main>
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
