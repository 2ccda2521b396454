import { storableText } from "../database/storable.ts";
import { httpStatusOf, type StripeAnswer } from "../stripe/answer.ts";
import { isCertainlyNotCounted, type Outcome } from "./outcome.ts";
import type { Verdict } from "./verdict.ts";

type Ended = { answer: StripeAnswer; verdict: Verdict; outcome: Outcome };

/** What is recorded of an attempt's end and is the same for many: nearly all that Stripe takes end alike. */
export type Ending = {
  state: Outcome["state"];
  /** The other state that the event may have before, beside `pending`. */
  orWas: "in_doubt" | "pending";
  reason: string;
  isCertainlyNotCounted: boolean;
  verdict: Verdict["kind"];
  httpStatus: number | null;
  code: string | null;
  message: string | null;
};

/** The endings of attempts, each once, and for each attempt the place of its own among them, from 1. */
export function distinctEndings(ended: readonly Ended[]): { endings: Ending[]; places: number[] } {
  const placeOf = new Map<string, number>();
  const endings: Ending[] = [];
  const places = ended.map((one) => {
    const ending = endingOf(one);
    const key = JSON.stringify(ending);
    const known = placeOf.get(key);
    if (known !== undefined) return known;
    const place = endings.push(ending);
    placeOf.set(key, place);
    return place;
  });
  return { endings, places };
}

function endingOf({ answer, verdict, outcome }: Ended): Ending {
  return {
    state: outcome.state,
    // An event that came into doubt while its request was under way is delivered all the same.
    orWas: outcome.state === "delivered" ? "in_doubt" : "pending",
    reason: outcome.reason,
    isCertainlyNotCounted: isCertainlyNotCounted(verdict),
    verdict: verdict.kind,
    httpStatus: httpStatusOf(answer),
    code: codeOf(answer),
    message: messageOf(answer),
  };
}

/** A message or a code is kept this long: an answer may have 1 MiB of either, and each attempt stores its own. */
const wordsMax = 1_000;

function codeOf(answer: StripeAnswer): string | null {
  switch (answer.kind) {
    case "success":
      return null;
    case "foreign":
      return "foreign_answer";
    case "error":
    case "no_answer":
      return answer.code === null ? null : storableText(answer.code.slice(0, wordsMax));
  }
}

function messageOf(answer: StripeAnswer): string | null {
  return answer.kind === "success" ? null : storableText(answer.message.slice(0, wordsMax));
}
