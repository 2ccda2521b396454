import { causeOf, emit } from "../events/emit.ts";
import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, resourceMissing } from "../request/errors.ts";
import { mapField, textField, type Form } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { customerKeyDefault, daySeconds, hourSeconds, valueKeyDefault, type Meter } from "../usage/meter.ts";

const metersPath = "/v1/billing/meters";

/** docs.stripe.com/api/billing/meter, certain: no delete, and only the display name ever changes. */
export const meterRoutes: Route[] = [
  { method: "POST", path: metersPath, api: "v1", execute: createMeter },
  { method: "GET", path: metersPath, api: "v1", execute: listMeters },
  { method: "GET", path: `${metersPath}/:id`, api: "v1", execute: withMeter(meterAnswer) },
  { method: "POST", path: `${metersPath}/:id`, api: "v1", execute: withMeter(renameMeter) },
  { method: "POST", path: `${metersPath}/:id/deactivate`, api: "v1", execute: withMeter(deactivateMeter) },
  { method: "POST", path: `${metersPath}/:id/reactivate`, api: "v1", execute: withMeter(reactivateMeter) },
];

type NewMeter = Pick<Meter, "eventName" | "displayName" | "formula"> &
  Partial<Pick<Meter, "customerKey" | "valueKey" | "windowSeconds">>;

/** Adds a meter to the account; the caller has made sure that the event name is free. */
export function addMeter(state: Simulation, meter: NewMeter): Meter {
  const now = state.clock.nowSeconds();
  const added = {
    id: state.nextId("mtr"),
    customerKey: customerKeyDefault,
    valueKey: valueKeyDefault,
    windowSeconds: undefined,
    ...meter,
    createdAt: now,
    updatedAt: now,
    deactivatedAt: undefined,
  };
  state.meters.set(added.id, added);
  state.meterByEventName.set(added.eventName, added);
  return added;
}

function createMeter(state: Simulation, request: StripeRequest): Answer {
  const { form } = request;
  const eventName = textField(form, "event_name") ?? "";
  if (eventName === "") return missingParameter("event_name");
  if (eventName.length > 100) return invalidParameter("The event_name is too long.", "event_name");
  const displayName = textField(form, "display_name") ?? "";
  if (displayName === "") return missingParameter("display_name");
  if (displayName.length > 250) return invalidParameter("The display_name is too long.", "display_name");
  const formula = textField(mapField(form, "default_aggregation") ?? {}, "formula");
  if (formula === undefined) return missingParameter("default_aggregation[formula]");
  if (!isFormula(formula))
    return invalidParameter(`Invalid formula: ${formula}`, "default_aggregation[formula]");
  const window = textField(form, "event_time_window");
  if (window !== undefined && window !== "hour" && window !== "day") {
    return invalidParameter(`Invalid event_time_window: ${window}`, "event_time_window");
  }
  // A deactivated meter keeps its name (reported by users); the wording is our guess.
  if (state.meterByEventName.has(eventName)) {
    return invalidParameter(`A meter with the event name '${eventName}' already exists.`, "event_name");
  }
  const meter = addMeter(state, {
    eventName,
    displayName,
    formula,
    windowSeconds: windowSeconds(window),
    ...keysOf(form),
  });
  tell(meter, { state, request }, "billing.meter.created");
  return meterAnswer(meter, { state, request });
}

function listMeters(state: Simulation, request: StripeRequest): Answer {
  const status = textField(request.form, "status");
  const meters = [...state.meters.values()].toReversed().map((meter) => meterObject(meter, request.livemode));
  const matching = status === undefined ? meters : meters.filter((meter) => meter.status === status);
  return listPage(matching, request.form, metersPath);
}

type Situation = { state: Simulation; request: StripeRequest };

function withMeter(answer: (meter: Meter, situation: Situation) => Answer): Route["execute"] {
  return (state, request) => {
    const meter = state.meters.get(request.id);
    return meter === undefined
      ? resourceMissing("billing meter", request.id)
      : answer(meter, { state, request });
  };
}

function meterAnswer(meter: Meter, { request }: Situation): Answer {
  return ok(meterObject(meter, request.livemode));
}

function renameMeter(meter: Meter, { state, request }: Situation): Answer {
  const displayName = textField(request.form, "display_name");
  if (displayName === "" || (displayName !== undefined && displayName.length > 250))
    return invalidParameter("Invalid display_name.", "display_name");
  if (displayName !== undefined && displayName !== meter.displayName) {
    const before = meterObject(meter, request.livemode);
    Object.assign(meter, { displayName, updatedAt: state.clock.nowSeconds() });
    tell(meter, { state, request }, "billing.meter.updated", before);
  }
  return meterAnswer(meter, { state, request });
}

function deactivateMeter(meter: Meter, situation: Situation): Answer {
  if (meter.deactivatedAt === undefined) {
    meter.deactivatedAt = situation.state.clock.nowSeconds();
    tell(meter, situation, "billing.meter.deactivated");
  }
  return meterAnswer(meter, situation);
}

function reactivateMeter(meter: Meter, situation: Situation): Answer {
  if (meter.deactivatedAt !== undefined) {
    meter.deactivatedAt = undefined;
    tell(meter, situation, "billing.meter.reactivated");
  }
  return meterAnswer(meter, situation);
}

function tell(meter: Meter, { state, request }: Situation, type: string, before?: object): void {
  const { livemode } = request;
  const object = meterObject(meter, livemode);
  emit(state, {
    type,
    object,
    livemode,
    cause: causeOf(request),
    ...(before === undefined ? {} : { before }),
  });
}

function meterObject(meter: Meter, livemode: boolean) {
  return {
    id: meter.id,
    object: "billing.meter",
    created: meter.createdAt,
    customer_mapping: { event_payload_key: meter.customerKey, type: "by_id" },
    default_aggregation: { formula: meter.formula },
    display_name: meter.displayName,
    event_name: meter.eventName,
    event_time_window: windowName(meter.windowSeconds),
    livemode,
    status: meter.deactivatedAt === undefined ? "active" : "inactive",
    status_transitions: { deactivated_at: meter.deactivatedAt ?? null },
    updated: meter.updatedAt,
    value_settings: { event_payload_key: meter.valueKey },
  };
}

function isFormula(text: string): text is Meter["formula"] {
  return text === "sum" || text === "count" || text === "last";
}

function windowSeconds(window: "hour" | "day" | undefined): number | undefined {
  if (window === undefined) return undefined;
  return window === "hour" ? hourSeconds : daySeconds;
}

function windowName(seconds: number | undefined): "hour" | "day" | null {
  if (seconds === undefined) return null;
  return seconds === hourSeconds ? "hour" : "day";
}

function keysOf(form: Form): Partial<Pick<Meter, "customerKey" | "valueKey">> {
  const customerKey = textField(mapField(form, "customer_mapping") ?? {}, "event_payload_key");
  const valueKey = textField(mapField(form, "value_settings") ?? {}, "event_payload_key");
  return {
    ...(customerKey === undefined ? {} : { customerKey }),
    ...(valueKey === undefined ? {} : { valueKey }),
  };
}
