import { createApp, type SimulatorApp } from "./app.ts";
import { billView, type BillFilter, type BillLine } from "./control/bill-view.ts";
import type { ClockChange } from "./control/control-schemas.ts";
import {
  addCustomers,
  addFaults,
  changeClock,
  changeKey,
  changeSettings,
  removeFaults,
  type ClockView,
  type FaultView,
} from "./control/controls.ts";
import { meterEventsView, type MeterEventFilter, type MeterEventView } from "./control/meter-events-view.ts";
import { requestsView, type RequestsView } from "./control/requests-view.ts";
import { stateView } from "./control/state-view.ts";
import { addEndpoint } from "./control/webhook-controls.ts";
import { stripeSide, type StripeSide } from "./control/stripe-side.ts";
import { faultSpecSchema, type FaultInput } from "./faults/fault.ts";
import type { KeyDecree, KeyStatus } from "./request/keys.ts";
import type { Settings } from "./settings.ts";
import { createSimulation, type Simulation, type SimulationOptions } from "./state.ts";
import type { AsyncError } from "./usage/async-error.ts";
import type { Meter } from "./usage/meter.ts";
import { stopFinalization } from "./v1/finalize-due.ts";
import { addMeter } from "./v1/meters.ts";
import type { EndpointInput } from "./webhooks/endpoint.ts";
import { stopWebhooks } from "./webhooks/webhooks.ts";

export type SimulatorOptions = SimulationOptions & {
  /** Ids of customers that exist from the start, and again after a reset. No event tells of them. */
  customers?: readonly string[];
  /** Meters that exist from the start, and again after a reset. No event tells of them. */
  meters?: readonly { event_name: string; formula: Meter["formula"] }[];
  /** Endpoints that get events from the start, and again after a reset. */
  webhookEndpoints?: readonly EndpointInput[];
};

/** The simulator in-process: the HTTP application, and the actions of `/_simulator/…` as plain functions. */
export type Simulator = StripeSide & {
  app: SimulatorApp;
  state: () => ReturnType<typeof stateView>;
  meterEvents: (filter?: MeterEventFilter) => MeterEventView[];
  requests: () => RequestsView;
  bill: (filter?: BillFilter) => BillLine[];
  asyncErrors: () => AsyncError[];
  setClock: (change: ClockChange) => ClockView;
  setKey: (key: string, status: KeyStatus, permissions?: KeyDecree["permissions"]) => void;
  setSettings: (patch: Partial<Settings>) => Settings;
  addFault: (fault: FaultInput) => FaultView[];
  clearFaults: () => number;
  addCustomers: (...ids: string[]) => void;
  reset: () => void;
  /** Ends every wait and cuts every open delivery; nothing is delivered any more. */
  close: () => Promise<void>;
};

/** Creates a simulator that does not listen yet; `startSimulator` gives it a port. */
export function createSimulator(options: SimulatorOptions = {}): Simulator {
  let state = furnishedSimulation(options);
  const current = () => state;
  const reset = () => {
    // Work under way belongs to the forgotten account, and is not waited for.
    void stop(state);
    state = furnishedSimulation(options);
  };
  return {
    app: createApp({ current, reset }),
    state: () => stateView(state),
    meterEvents: (filter) => meterEventsView(state, filter).data,
    requests: () => requestsView(state),
    bill: (filter) => billView(state, filter).data,
    asyncErrors: () => state.asyncErrors,
    setClock: (change) => changeClock(state, change),
    setKey: (key, status, permissions) => changeKey(state, { key, status, permissions }),
    setSettings: (patch) => changeSettings(state, patch),
    addFault: (fault) => addFaults(state, [faultSpecSchema.parse(fault)]),
    clearFaults: () => removeFaults(state),
    addCustomers: (...ids) => addCustomers(state, ids),
    ...stripeSide(current),
    reset,
    close: () => stop(state),
  };
}

function stop(state: Simulation): Promise<void> {
  stopFinalization(state);
  return stopWebhooks(state.webhooks);
}

function furnishedSimulation(options: SimulatorOptions): Simulation {
  const state = createSimulation(options);
  addCustomers(state, options.customers ?? []);
  for (const { event_name: eventName, formula } of options.meters ?? []) {
    addMeter(state, { eventName, displayName: eventName, formula });
  }
  for (const endpoint of options.webhookEndpoints ?? []) addEndpoint(state, endpoint);
  return state;
}
