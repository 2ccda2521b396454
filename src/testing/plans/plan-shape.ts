import { z } from "zod";

type Node = {
  "Node Type": string;
  "Relation Name"?: string | undefined;
  "Index Name"?: string | undefined;
  Plans?: Node[] | undefined;
};

const node: z.ZodType<Node> = z.lazy(() =>
  z.object({
    "Node Type": z.string(),
    "Relation Name": z.string().optional(),
    "Index Name": z.string().optional(),
    Plans: z.array(node).optional(),
  }),
);
const explained = z.tuple([z.object({ Plan: node })]);

/** Both find one meter event by its id. */
const sameIndexes: Record<string, string> = { meter_events_id: "meter_events_pkey" };

/**
 * The parts of a plan that tell how its time grows: by which index each table is read, or that it is read whole. Months
 * of a table count as one; a bitmap is another way to read the same index. Tables of a few pages are left out: reading
 * them whole is as good.
 */
export function shapeOf(plan: unknown, smallTables: ReadonlySet<string>): string[] {
  const [{ Plan: root }] = explained.parse(plan);
  return [...new Set(partsOf(root, smallTables))].toSorted();
}

function partsOf(plan: Node, smallTables: ReadonlySet<string>, table = plan["Relation Name"]): string[] {
  const below = (plan.Plans ?? []).flatMap((child) =>
    partsOf(child, smallTables, child["Relation Name"] ?? table),
  );
  if (table === undefined || smallTables.has(table)) return below;
  const index = plan["Index Name"];
  if (index !== undefined) return [`${withoutMonth(table)} by ${indexOf(index)}`, ...below];
  return plan["Node Type"] === "Seq Scan" ? [`${withoutMonth(table)} whole`, ...below] : below;
}

function withoutMonth(name: string): string {
  return name.replace(/_(default|\d{4}_\d\d)(?=_|$)/, "");
}

/** Postgres names the indexes of partitions by their columns. */
function indexOf(name: string): string {
  const index = withoutMonth(name).replace(/_idx\d*$/, "");
  return sameIndexes[index] ?? index;
}
