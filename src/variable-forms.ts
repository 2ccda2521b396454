// The forms of URLs and headers that variables of the environment may have.

export function isPostgresUrl(value: string): boolean {
  return URL.canParse(value) && /^postgres(ql)?:$/.test(new URL(value).protocol);
}

export function isBareHttpUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return /^https?:$/.test(url.protocol) && url.pathname === "/" && url.search === "" && url.username === "";
}

export function isHttpUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}

export function isCollectorUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, search, hash } = new URL(value);
  return /^https?:$/.test(protocol) && username === "" && search === "" && hash === "";
}

/** As the OpenTelemetry specification has it; what a header cannot carry is refused. */
export function isHeaderList(value: string): boolean {
  return value.split(",").every((pair) => /^ *[\w.-]+ *=(?:[ -$&-:<-~]|%[2-7][\dA-Fa-f])+$/.test(pair));
}
