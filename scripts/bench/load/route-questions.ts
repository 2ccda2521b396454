import type { Operation, Parameter } from "../../../src/testing/openapi/document.ts";

/** One way to ask a route: the same question of another subject at each turn. */
export type Question = {
  route: string;
  /** The query, in words for the report. */
  what: string;
  ask: (turn: number) => { path: string; init: RequestInit };
};

/** What questions may be about, and the tokens they carry. */
export type Subjects = {
  tokens: Record<"adminToken" | "apiKey", string>;
  /** Values of query parameters by their names; a list in the document itself needs none here. */
  queries: Readonly<Record<string, readonly string[]>>;
  /** Ids by the beginning of the path that takes them, such as `/v1/meter-events/{id}`, taken in turns. */
  ids: Readonly<Record<string, readonly string[]>>;
  /** What a route that changes something is sent, by its name. */
  sent: Readonly<Record<string, (turn: number) => RequestInit>>;
};

type Values = Record<string, string>;

/**
 * Questions for every route of the document: with the parameters that it must have, with each other value of one, and
 * with each two of them. Throws where it does not know what to ask, so that no new route is forgotten.
 */
export function questionsFor(operation: Operation, subjects: Subjects): Question[] {
  const { method, path, operationId, parameters, token, requestBody } = operation;
  const inQuery = parameters.filter((one) => one.in === "query" && one.name !== "cursor");
  const sent = subjects.sent[operationId];
  if (requestBody !== undefined && sent === undefined) {
    throw new Error(`nothing is known to send to ${operationId}`);
  }
  const headers = token === undefined ? {} : { authorization: `Bearer ${subjects.tokens[token]}` };
  return queriesOf(inQuery, subjects).map((query) => ({
    route: `${method} ${path}`,
    what: new URLSearchParams(query).toString(),
    ask: (turn) => {
      const more = sent?.(turn);
      const search = new URLSearchParams(query).toString();
      return {
        path: fillPath(operation, subjects, turn) + (search === "" ? "" : `?${search}`),
        init: { method, ...more, headers: { ...headers, ...(more?.headers as Values | undefined) } },
      };
    },
  }));
}

function queriesOf(parameters: readonly Parameter[], subjects: Subjects): Values[] {
  const required = parameters.filter((one) => one.required);
  const optional = parameters.filter((one) => !one.required);
  let bases: Values[] = [{}];
  for (const parameter of required) {
    bases = bases.flatMap((base) => withEach(base, parameter, subjects));
  }
  return bases.flatMap((base) => {
    const single = optional.map((parameter) => withEach(base, parameter, subjects));
    const pairs = optional.flatMap((parameter, place) =>
      single.slice(0, place).flatMap((others) => others.flatMap((one) => withEach(one, parameter, subjects))),
    );
    return [base, ...single.flat(), ...pairs];
  });
}

function withEach(base: Values, { name, schema }: Parameter, { queries }: Subjects): Values[] {
  const values = queries[name] ?? (schema["enum"] as string[] | undefined);
  if (values === undefined) throw new Error(`no value is known for the parameter ${name}`);
  return values.map((value) => ({ ...base, [name]: value }));
}

function fillPath({ path }: Operation, { ids }: Subjects, turn: number): string {
  return path.replaceAll(/\{\w+\}/g, (_, at: number) => {
    const prefix = path.slice(0, path.indexOf("}", at) + 1);
    const isLast = !path.includes("{", at + 1);
    const known = (isLast ? ids[path] : undefined) ?? ids[prefix] ?? [];
    const id = known[turn % known.length];
    if (id === undefined) throw new Error(`no id is known for ${prefix}`);
    return encodeURIComponent(id);
  });
}
