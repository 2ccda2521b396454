// The forms of URLs and headers that variables of the environment may have.

/** With a blank before or behind it, the driver would take it for something else, such as the name of a host. */
export function isPostgresUrl(value: string): boolean {
  if (value !== value.trim()) return false;
  return URL.canParse(value) && /^postgres(ql)?:$/.test(new URL(value).protocol);
}

export function isBareHttpUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, pathname, search, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && pathname === "/" && `${search}${username}${password}` === "";
}

export function isHttpUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}

export function isCollectorUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password, search, hash } = new URL(value);
  return /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === "";
}

/** As the OpenTelemetry specification has it; what a header cannot carry is refused. */
export function isHeaderList(value: string): boolean {
  return value.split(",").every((pair) => /^ *[\w.-]+ *=(?:[ -$&-:<-~]|%[2-7][\dA-Fa-f])+$/.test(pair));
}
