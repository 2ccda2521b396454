/** `/sensors/0/id`, with `~` and `/` escaped as RFC 6901 says. The whole document is the empty string. */
export function jsonPointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
