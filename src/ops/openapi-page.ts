import { html } from "hono/html";
import { z } from "zod";

const content = z.record(z.string(), z.looseObject({ schema: z.unknown() })).optional();
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
  responses: z.record(z.string(), z.looseObject({ description: z.string(), content })).default({}),
});
const documentSchema = z.looseObject({
  info: z.looseObject({ title: z.string(), version: z.string(), description: z.string().optional() }),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)).default({}),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()).optional() }).optional(),
});

type Operation = z.infer<typeof operationSchema> & { method: string; path: string };
type Rendered = ReturnType<typeof html>;

const tokenNames: Record<string, string> = {
  adminToken: "the operator's token",
  apiKey: "an organization's API key",
};

const style = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
  h2 { border-bottom: 1px solid #ccc; } article { margin: 1.5rem 0; }
  code, pre { font: 14px/1.4 ui-monospace, monospace; } pre { background: #f5f5f5; padding: .75rem; overflow: auto; }
  table { border-collapse: collapse; } td, th { border: 1px solid #ddd; padding: .25rem .5rem; text-align: left; }
  @media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } pre { background: #242424; } }
`;

/** Renders an OpenAPI document as one page to read, grouped by tags. Throws for what is no such document. */
export function renderDocument(document: unknown): Rendered {
  const { info, paths, components } = documentSchema.parse(document);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Operation => ({ ...operation, method, path })),
  );
  const tags = [...new Set(operations.flatMap((operation) => operation.tags))];
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${info.title}</title>
        <style>
          ${style}
        </style>
      </head>
      <body>
        <h1>${info.title} ${info.version}</h1>
        <p>${info.description ?? ""} For machines: <a href="/openapi.json">/openapi.json</a>.</p>
        ${tags.map(
          (tag) =>
            html`<h2>${tag}</h2>
              ${operations.filter((operation) => operation.tags.includes(tag)).map(renderOperation)}`,
        )}
        <h2>Schemas</h2>
        ${Object.entries(components?.schemas ?? {}).map(
          ([name, schema]) =>
            html`<h3 id="${name}">${name}</h3>
              ${renderSchema(schema)}`,
        )}
      </body>
    </html>`;
}

function renderOperation(operation: Operation): Rendered {
  const tokens = operation.security.flatMap(Object.keys).map((name) => tokenNames[name] ?? name);
  return html`<article>
    <h3><code>${operation.method.toUpperCase()} ${operation.path}</code></h3>
    <p>${operation.summary ?? ""}. ${operation.description ?? ""}</p>
    <p>Needs ${tokens.length === 0 ? "no token" : tokens.join(" and ")}.</p>
    ${operation.parameters.length === 0 ? "" : renderParameters(operation)}
    ${Object.entries(operation.requestBody?.content ?? {}).map(
      ([type, { schema }]) =>
        html`<p>Body, <code>${type}</code>:</p>
          ${renderSchema(schema)}`,
    )}
    <table>
      ${Object.entries(operation.responses).map(
        ([status, answer]) =>
          html`<tr>
            <th>${status}</th>
            <td>
              ${answer.description}
              ${Object.keys(answer.content ?? {}).map((type) => html`<code>${type}</code> `)}
            </td>
          </tr>`,
      )}
    </table>
    ${Object.entries(operation.responses)
      .filter(([status, answer]) => status.startsWith("2") && answer.content !== undefined)
      .map(
        ([status, answer]) =>
          html`<p>Answer ${status}:</p>
            ${Object.values(answer.content ?? {}).map(({ schema }) => renderSchema(schema))}`,
      )}
  </article>`;
}

function renderParameters({ parameters }: Operation): Rendered {
  return html`<table>
    <tr>
      <th>parameter</th>
      <th>in</th>
      <th></th>
      <th>schema</th>
    </tr>
    ${parameters.map(
      (parameter) =>
        html`<tr>
          <td><code>${parameter.name}</code></td>
          <td>${parameter.in}</td>
          <td>${parameter.required ? "required" : ""}</td>
          <td><code>${JSON.stringify(parameter.schema)}</code></td>
        </tr>`,
    )}
  </table>`;
}

function renderSchema(schema: unknown): Rendered {
  return html`<pre>${JSON.stringify(schema, null, 2)}</pre>`;
}
