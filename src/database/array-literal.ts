/**
 * An array as Postgres reads it. The driver would look at each element for characters to escape; these are numbers, times,
 * UUIDs, truth values and our own words, which need no quotes either.
 */
export function arrayLiteral(elements: readonly (string | number | boolean)[]): string {
  return `{${elements.join(",")}}`;
}

/** The same for any text, number or truth value, or none. */
export function anyArrayLiteral(elements: readonly (string | number | boolean | null)[]): string {
  return `{${elements.map(anyElement).join(",")}}`;
}

const special = /["\\]/g;

function anyElement(element: string | number | boolean | null): string {
  if (element === null) return "NULL";
  if (typeof element !== "string") return String(element);
  return `"${element.replace(special, String.raw`\$&`)}"`;
}
