import { arrayLiteral } from "../database/array-literal.ts";
import type { Reading } from "../usage/reading.ts";

/** The readings of one request, all of one organization; and its span, if it has one. */
export type Batch = {
  organizationId: string;
  readings: readonly Reading[];
  traceparent?: string | undefined;
};

/** The readings of a statement, by column; `organization` is a place in the statement's list, from 1. */
export type Columns = {
  organization: number[];
  sensorId: string[];
  recordedAt: string[];
  temperature: number[];
};
/** The readings of all batches by column, and each organization's place in the statement's list. */
export function columnsOf(batches: readonly Batch[]): { organizations: Map<string, number>; input: Columns } {
  const organizations = numberOrganizations(batches);
  const input: Columns = { organization: [], sensorId: [], recordedAt: [], temperature: [] };
  for (const { organizationId, readings } of batches) {
    const organization = organizations.get(organizationId) ?? 0;
    for (const reading of readings) {
      input.organization.push(organization);
      input.sensorId.push(reading.sensorId);
      input.recordedAt.push(reading.recordedAt);
      input.temperature.push(reading.temperature);
    }
  }
  return { organizations, input };
}

/** Each organization's place in the statement's list. */
function numberOrganizations(batches: readonly Batch[]): Map<string, number> {
  const places = new Map<string, number>();
  for (const { organizationId } of batches) {
    if (!places.has(organizationId)) places.set(organizationId, places.size + 1);
  }
  return places;
}

export function keysOf(columns: Omit<Columns, "temperature">): [string, string, string] {
  return [
    arrayLiteral(columns.organization),
    sensorIdsLiteral(columns.sensorId),
    arrayLiteral(columns.recordedAt),
  ];
}

/** An array of sensor ids (`sensorIdPattern`), which have nothing to escape, and of which one may be `NULL`. */
function sensorIdsLiteral(elements: readonly string[]): string {
  return elements.length === 0 ? "{}" : `{"${elements.join('","')}"}`;
}

export function keyOf(organization: number, reading: Reading): string {
  return `${organization} ${reading.recordedAt} ${reading.sensorId}`;
}

export function keyAt(input: Columns, index: number): string {
  return `${at(input.organization, index)} ${at(input.recordedAt, index)} ${at(input.sensorId, index)}`;
}

export function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`no item ${index}`);
  return item;
}
