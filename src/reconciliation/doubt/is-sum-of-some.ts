/** So many different sums are followed at most: 2 MiB of bits, or a set of as many numbers. */
const sumsMax = 1 << 24;
const sparseSumsMax = 1 << 18;

/**
 * Whether some of the quantities add up to exactly `amount`; none of them do to 0. Undefined where that takes more than a
 * bounded number of sums to know: many events of large and unlike quantities.
 */
export function isSumOfSome(quantities: readonly bigint[], amount: bigint): boolean | undefined {
  const total = quantities.reduce((sum, quantity) => sum + quantity, 0n);
  if (amount < 0n || amount > total) return false;
  // The quantities that are not in the sum add up to the rest; the smaller of both numbers is quicker to look for.
  const target = amount < total - amount ? amount : total - amount;
  const divisor = quantities.reduce(greatestCommonDivisor, 0n);
  if (target === 0n) return true;
  if (target % divisor !== 0n) return false;
  const parts = quantities
    .filter((quantity) => quantity > 0n && quantity <= target)
    .map((one) => one / divisor);
  return target / divisor < BigInt(sumsMax)
    ? isInBits(parts, Number(target / divisor))
    : isInSet(parts, target / divisor);
}

/** Bit n of the sums says whether n is one. */
function isInBits(parts: readonly bigint[], target: number): boolean {
  let sums = 1n;
  for (const part of parts) sums = BigInt.asUintN(target + 1, sums | (sums << part));
  return sums >> BigInt(target) === 1n;
}

function isInSet(parts: readonly bigint[], target: bigint): boolean | undefined {
  let sums = new Set([0n]);
  for (const part of parts) {
    if (sums.size > sparseSumsMax) return undefined;
    const more = [...sums].map((sum) => sum + part).filter((sum) => sum <= target);
    sums = new Set([...sums, ...more]);
    if (sums.has(target)) return true;
  }
  return false;
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestCommonDivisor(b, a % b);
}
