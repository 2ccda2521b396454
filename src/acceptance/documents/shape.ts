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

/** The paths of the lists in a JSON value that have no element. */
function emptyLists(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  if (!Array.isArray(value)) {
    return Object.entries(value).flatMap(([name, member]) => emptyLists(member, `${path}.${name}`));
  }
  return value.length === 0 ? [path] : value.flatMap((element) => emptyLists(element, `${path}[]`));
}

/**
 * The members that only one of a document's JSON and an answer has: `+` the answer, `-` the document. Members below a null are
 * not compared, nor is what the answer has in a list that is empty in the document: what a worker does meanwhile may fill it.
 */
export function differentMembers(document: unknown, answer: unknown): string[] {
  const [ofDocument, ofAnswer] = [memberNames(document), memberNames(answer)];
  const nulls = [...ofDocument, ...ofAnswer]
    .filter((name) => name.endsWith("?"))
    .map((name) => name.slice(0, -1));
  const elementsOfEmpty = emptyLists(document)
    .map((path) => `${path}[]`)
    .filter((elements) => !ofDocument.some((name) => name.startsWith(elements)));
  const isBelow = (name: string, path: string) => name.startsWith(`${path}.`) || name.startsWith(`${path}[`);
  const isOpen = (name: string) =>
    nulls.some((path) => isBelow(name, path)) ||
    elementsOfEmpty.some((path) => name === path || isBelow(name, path));
  const only = (names: string[], others: string[], sign: string) =>
    names
      .map((name) => name.replace(/\?$/, ""))
      .filter((name) => !others.some((other) => other.replace(/\?$/, "") === name) && !isOpen(name))
      .map((name) => `${sign}${name}`);
  return [...only(ofDocument, ofAnswer, "-"), ...only(ofAnswer, ofDocument, "+")];
}
