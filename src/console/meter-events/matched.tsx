import type { Matched as MatchedEvents } from "../../delivery/match-meter-events.ts";
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

type MatchedProps = { fields: Narrowed["fields"]; matched: MatchedEvents };

/** What an action on all concerns: the filters that it goes by, and how much usage that is. */
export function Matched({ fields, matched: { quantity, isMore } }: MatchedProps) {
  const given = Object.entries(names).flatMap(([field, name]) => {
    const value = Object.entries(fields).find(([one]) => one === field)?.[1];
    return value === undefined || value === "" ? [] : [[name, value.replaceAll("_", " ")] as const];
  });
  const usage = `${isMore ? "more than " : ""}${counted(quantity, "unit")}`;
  return <FactList facts={[...given, ["Usage", usage]]} />;
}

/** "3 rejected meter events", or "more than 50,000" of them. */
export function countedOf({ count, isMore }: MatchedEvents, one: string): string {
  return `${isMore ? "more than " : ""}${counted(count, one)}`;
}
