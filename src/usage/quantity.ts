/** Quantities as Stripe writes them: decimal strings, without an exponent. They are added up as whole numbers. */
const digitsMax = 12;
const unit = 10n ** BigInt(digitsMax);
const plain = /^(-?)(\d+)(?:\.(\d{1,12}))?$/;

/** The sum of decimal strings, exact. Throws for what is no plain decimal of 12 places at most. */
export function addQuantities(quantities: readonly string[]): string {
  return written(quantities.reduce((sum, quantity) => sum + read(quantity), 0n));
}

/** `minuend` less `subtrahend`, exact. */
export function subtractQuantity(minuend: string, subtrahend: string): string {
  return written(read(minuend) - read(subtrahend));
}

/** Below zero where `a` is the smaller, zero where both are alike, above zero otherwise. */
export function compareQuantities(a: string, b: string): number {
  const difference = read(a) - read(b);
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

/** Whether a text is a quantity that the others take. */
export function isQuantity(text: string): boolean {
  return plain.test(text);
}

function read(quantity: string): bigint {
  const [, sign, whole = "", places = ""] = plain.exec(quantity) ?? [];
  if (sign === undefined) throw new Error(`${JSON.stringify(quantity.slice(0, 40))} is no plain decimal`);
  const size = BigInt(whole) * unit + BigInt(places.padEnd(digitsMax, "0"));
  return sign === "-" ? -size : size;
}

function written(value: bigint): string {
  const size = value < 0n ? -value : value;
  const places = String(size % unit)
    .padStart(digitsMax, "0")
    .replace(/0+$/, "");
  return `${value < 0n ? "-" : ""}${size / unit}${places === "" ? "" : `.${places}`}`;
}
