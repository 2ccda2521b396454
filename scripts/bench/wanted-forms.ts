/** Those whose name has the words of `--form`, which are all where it is empty. Throws when none has them. */
export function wantedForms<T>(all: readonly T[], words: string, nameOf: (one: T) => string): T[] {
  const wanted = all.filter((one) => nameOf(one).includes(words));
  if (wanted.length === 0) throw new Error(`none has "${words}" in its name: ${all.map(nameOf).join("; ")}`);
  return wanted;
}
