/** Changelog dahlia/2026-04-22, certain. */
export const valueDigitsMax = 15;

export type ValueFault = "not_numeric" | "too_many_digits";

/**
 * Checks the text of a value: plain digits, decimals and negatives (docs.stripe.com/billing/subscriptions/
 * usage-based/recording-usage-api, certain). Exponents, separators and a plus sign are undocumented, so refused.
 */
export function findValueFault(text: string): ValueFault | undefined {
  if (!/^-?(?:\d+(?:\.\d+)?|\.\d+)$/.test(text)) return "not_numeric";
  return significantDigits(text) > valueDigitsMax ? "too_many_digits" : undefined;
}

/** v2's error list says "positive integer" (OpenAPI and API reference, certain in wording). */
export function isPositiveInteger(text: string): boolean {
  return /^\d+$/.test(text) && /[1-9]/.test(text);
}

function significantDigits(text: string): number {
  return text.replace("-", "").replace(".", "").replace(/^0+/, "").length;
}
