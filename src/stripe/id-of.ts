/** The id of an object that Stripe gives whole or by its id; null where it gives none. */
export function idOf(object: string | { id: string } | null | undefined): string | null {
  return typeof object === "string" ? object : (object?.id ?? null);
}
