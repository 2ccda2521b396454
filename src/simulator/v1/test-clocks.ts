import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, resourceMissing } from "../request/errors.ts";
import { textField, type Form } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { catchUpAll } from "./cycle-subscription.ts";
import { finalizeDue } from "./finalize-due.ts";
import { testClockObject, type TestClock } from "./test-clock.ts";

const clocksPath = "/v1/test_helpers/test_clocks";

/** docs.stripe.com/api/test_clocks, certain: only in test mode, and only forwards. */
export const testClockRoutes: Route[] = [
  { method: "POST", path: clocksPath, api: "v1", execute: createClock },
  { method: "GET", path: clocksPath, api: "v1", execute: listClocks },
  { method: "GET", path: `${clocksPath}/:id`, api: "v1", execute: retrieveClock },
  { method: "POST", path: `${clocksPath}/:id/advance`, api: "v1", execute: advanceClock },
];

function createClock(state: Simulation, { form, livemode }: StripeRequest): Answer {
  if (livemode) return invalidParameter("Test clocks are available in test mode only.");
  const frozenTime = readTime(form);
  if (typeof frozenTime !== "number") return frozenTime;
  const clock: TestClock = {
    id: state.nextId("clock"),
    name: textField(form, "name") ?? null,
    createdAt: state.clock.nowSeconds(),
    frozenTime,
  };
  state.testClocks.set(clock.id, clock);
  return ok(testClockObject(clock));
}

function listClocks(state: Simulation, { form }: StripeRequest): Answer {
  const clocks = [...state.testClocks.values()].toReversed();
  return listPage(clocks.map(testClockObject), form, clocksPath);
}

function retrieveClock(state: Simulation, { id }: StripeRequest): Answer {
  const clock = state.testClocks.get(id);
  return clock === undefined ? resourceMissing("test clock", id) : ok(testClockObject(clock));
}

/** Periods of the clock's customers end, and drafts that are past their grace are finalized and paid. */
function advanceClock(state: Simulation, { id, form }: StripeRequest): Answer {
  const clock = state.testClocks.get(id);
  if (clock === undefined) return resourceMissing("test clock", id);
  const frozenTime = readTime(form);
  if (typeof frozenTime !== "number") return frozenTime;
  if (frozenTime <= clock.frozenTime) {
    return invalidParameter("The frozen_time must be later than the clock's present one.", "frozen_time");
  }
  clock.frozenTime = frozenTime;
  catchUpAll(state);
  finalizeDue(state);
  return ok(testClockObject(clock));
}

function readTime(form: Form): number | Answer {
  const text = textField(form, "frozen_time");
  if (text === undefined) return missingParameter("frozen_time");
  return /^\d{1,12}$/.test(text) ? Number(text) : invalidParameter(`Invalid integer: ${text}`, "frozen_time");
}
