/**
 * The names of all members of a JSON value, each by its path: `.data[].id`. Elements of a list count together. A member
 * that is null here may be an object elsewhere, so its path ends in `?`.
 */
function memberNames(value: unknown, path = ""): string[] {
  if (value === null) return [`${path}?`];
  if (Array.isArray(value)) {
    return [...new Set([path, ...value.flatMap((element: unknown) => memberNames(element, `${path}[]`))])];
  }
  if (typeof value !== "object") return [path];
  return [path, ...Object.entries(value).flatMap(([name, member]) => memberNames(member, `${path}.${name}`))];
}

/**
 * The members that only one of two JSON values has: `+` the second, `-` the first. Members below a null are not
 * compared.
 */
export function differentMembers(first: unknown, second: unknown): string[] {
  const [ofFirst, ofSecond] = [memberNames(first), memberNames(second)];
  const open = [...ofFirst, ...ofSecond]
    .filter((name) => name.endsWith("?"))
    .map((name) => name.slice(0, -1));
  const isOpen = (name: string) =>
    open.some((path) => name === path || name.startsWith(`${path}.`) || name.startsWith(`${path}[`));
  const only = (names: string[], others: string[], sign: string) =>
    names
      .map((name) => name.replace(/\?$/, ""))
      .filter((name) => !others.some((other) => other.replace(/\?$/, "") === name) && !isOpen(name))
      .map((name) => `${sign}${name}`);
  return [...only(ofFirst, ofSecond, "-"), ...only(ofSecond, ofFirst, "+")];
}
