import { z } from "zod";

// The forms of lists, URLs and headers that variables of the environment may have.

export const commaSeparated = z.string().transform((list) =>
  list
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== ""),
);
export const secretList = commaSeparated
  .refine((list) => list.length > 0, "must name at least one secret")
  .refine((list) => list.every((secret) => /^whsec_[\w+/=-]+$/.test(secret)), {
    message: "must be Stripe's signing secrets (whsec_…), comma-separated",
    abort: true,
  });

/** One host for each of several, as libpq has it: `postgres://one,other/database`. A password may hold a comma. */
const severalHosts = /^postgres(?:ql)?:\/\/(?:[^/?#]*@)?[^/?#@]*,[^/?#@]*(?:[/?#]|$)/;
/** Of `ssl=…`; with another word the driver fails once it has connected. */
const sslWords = new Set(["true", "1", "0", "no-verify"]);

/** What is wrong with the address of a database, or undefined. */
export function postgresUrlFault(value: string): string | undefined {
  if (severalHosts.test(value)) return "must name one host: the driver knows no list of them";
  const url = parsePostgresUrl(value);
  if (url === undefined) return "must be a postgres:// or postgresql:// URL";
  const ssl = url.searchParams.get("ssl");
  if (ssl !== null && !sslWords.has(ssl))
    return "its ssl must be true, 1 or 0; sslmode=disable is the other way";
  return undefined;
}

/** With a blank before or behind it, the driver would take it for something else, such as the name of a host. */
function parsePostgresUrl(value: string): URL | undefined {
  if (value !== value.trim()) return undefined;
  // `user@/database?host=/folder`, the usual form for a Unix socket, has no host; the driver reads it so, too.
  const url = URL.parse(value) ?? URL.parse(value.replace("@/", "@localhost/"));
  return url !== null && /^postgres(?:ql)?:$/.test(url.protocol) ? url : undefined;
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
