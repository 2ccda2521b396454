/**
 * Quantities as Stripe writes them: decimal strings, without an exponent. A sum of Stripe's is a floating-point number, and
 * 0.1 and 0.2 make one of 17 places; the smallest has 324 and some.
 */
const placesMax = 400;
const plain = new RegExp(`^(-?)(\\d+)(?:\\.(\\d{1,${placesMax}}))?$`);

/** So many units of the place after so many digits behind the point. */
type Scaled = { units: bigint; places: number };

/** The sum of decimal strings, exact. Throws for what is no plain decimal of 400 places at most. */
export function addQuantities(quantities: readonly string[]): string {
  const sum = quantities.map(read).reduce(add, { units: 0n, places: 0 });
  return written(sum);
}

/** `minuend` less `subtrahend`, exact. */
export function subtractQuantity(minuend: string, subtrahend: string): string {
  return written(difference(minuend, subtrahend));
}

/** Below zero where `a` is the smaller, zero where both are alike, above zero otherwise. */
export function compareQuantities(a: string, b: string): number {
  const { units } = difference(a, b);
  return units === 0n ? 0 : units < 0n ? -1 : 1;
}

/** Whether a text is a quantity that the others take. */
export function isQuantity(text: string): boolean {
  return plain.test(text);
}

function difference(minuend: string, subtrahend: string): Scaled {
  const { units, places } = read(subtrahend);
  return add(read(minuend), { units: -units, places });
}

function add(one: Scaled, other: Scaled): Scaled {
  const places = Math.max(one.places, other.places);
  return { units: unitsAt(one, places) + unitsAt(other, places), places };
}

function unitsAt({ units, places }: Scaled, wanted: number): bigint {
  return units * 10n ** BigInt(wanted - places);
}

function read(quantity: string): Scaled {
  const [, sign, whole = "", behind = ""] = plain.exec(quantity) ?? [];
  if (sign === undefined) throw new Error(`${JSON.stringify(quantity.slice(0, 40))} is no plain decimal`);
  const units = BigInt(whole + behind);
  return { units: sign === "-" ? -units : units, places: behind.length };
}

function written({ units, places }: Scaled): string {
  const digits = String(units < 0n ? -units : units).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const behind = digits.slice(digits.length - places).replace(/0+$/, "");
  return `${units < 0n ? "-" : ""}${whole}${behind === "" ? "" : `.${behind}`}`;
}
