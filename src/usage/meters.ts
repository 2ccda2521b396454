/** How Stripe folds a customer's meter events over a billing period, and how the seal folds entries over an hour. */
export type Aggregation = "sum" | "last";

type Meter = {
  aggregation: Aggregation;
  /** The environment variable that holds Stripe's event name for this meter. */
  eventNameVariable: "METER_READINGS_EVENT_NAME" | "METER_SENSORS_EVENT_NAME";
};

/** Every meter of the service. A further one is one more line here. */
export const meters = {
  /** Readings stored, in the hour they were taken in. */
  temperature_readings: { aggregation: "sum", eventNameVariable: "METER_READINGS_EVENT_NAME" },
  /** Sensors that are active at the full hour. */
  active_sensors: { aggregation: "last", eventNameVariable: "METER_SENSORS_EVENT_NAME" },
} as const satisfies Record<string, Meter>;

export type MeterName = keyof typeof meters;

/** Stripe's event name of each meter. */
export type MeterEventNames = Record<MeterName, string>;

export const meterNames: readonly MeterName[] = Object.keys(meters).filter(isMeterName);

/** The meters of one aggregation. */
export function metersFoldedBy(aggregation: Aggregation): MeterName[] {
  return meterNames.filter((name) => meters[name].aggregation === aggregation);
}

export function isMeterName(value: string): value is MeterName {
  return Object.hasOwn(meters, value);
}

/** Reads each meter's event name from the environment's variables. */
export function meterEventNames(
  environment: Record<(typeof meters)[MeterName]["eventNameVariable"], string>,
): MeterEventNames {
  return {
    temperature_readings: environment[meters.temperature_readings.eventNameVariable],
    active_sensors: environment[meters.active_sensors.eventNameVariable],
  };
}
