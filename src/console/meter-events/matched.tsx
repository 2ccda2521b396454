import { FactList } from "../parts/fact-list.tsx";
import { counted } from "../parts/figures.ts";
import type { Narrowed } from "./read-filter.ts";

const names: Record<keyof Narrowed["fields"], string> = {
  state: "State",
  meter: "Meter",
  organization: "Organization",
  from: "Hours from (UTC)",
  to: "Hours to before (UTC)",
  words: "Why, or Stripe's words",
};

/** What an action on all concerns: the filters that it goes by, and how much usage that is. */
export function Matched({ fields, quantity }: { fields: Narrowed["fields"]; quantity: number }) {
  const given = Object.entries(names).flatMap(([field, name]) => {
    const value = Object.entries(fields).find(([one]) => one === field)?.[1];
    return value === undefined || value === "" ? [] : [[name, value.replaceAll("_", " ")] as const];
  });
  return <FactList facts={[...given, ["Usage", counted(quantity, "unit")]]} />;
}
