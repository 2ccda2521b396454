/** An exact decimal number: `unscaled / 10^scale`. */
export type Decimal = { unscaled: bigint; scale: number };

export const zero: Decimal = { unscaled: 0n, scale: 0 };

/** Reads plain decimal digits such as `-12.50`; the caller has checked the form. */
export function parseDecimal(text: string): Decimal {
  const point = text.indexOf(".");
  if (point === -1) return { unscaled: BigInt(text), scale: 0 };
  const fraction = text.slice(point + 1);
  return { unscaled: BigInt(text.slice(0, point) + fraction), scale: fraction.length };
}

/** Adds without rounding. */
export function addDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.scale === b.scale) return { unscaled: a.unscaled + b.unscaled, scale: a.scale };
  const scale = Math.max(a.scale, b.scale);
  return { unscaled: rescale(a, scale) + rescale(b, scale), scale };
}

/** Multiplies without rounding. */
export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  return { unscaled: a.unscaled * b.unscaled, scale: a.scale + b.scale };
}

/** The nearest whole number of a decimal that is not negative; a half goes up. */
export function roundDecimal({ unscaled, scale }: Decimal): bigint {
  const unit = 10n ** BigInt(scale);
  return (2n * unscaled + unit) / (2n * unit);
}

/** The decimal itself, or 0 where it is negative. */
export function atLeastZero(value: Decimal): Decimal {
  return value.unscaled < 0n ? zero : value;
}

/** Writes plain digits without trailing zeros after the point. */
export function formatDecimal({ unscaled, scale }: Decimal): string {
  if (scale === 0) return unscaled.toString();
  const sign = unscaled < 0n ? "-" : "";
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, "0");
  const fraction = digits.slice(-scale).replace(/0+$/, "");
  const whole = sign + digits.slice(0, -scale);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

function rescale(value: Decimal, scale: number): bigint {
  return value.unscaled * 10n ** BigInt(scale - value.scale);
}
