import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { parseArgs } from "node:util";

// curl for a machine without one: the options that the documents use, and the settings that the tests' reader gives it.
// Any other option is an error.

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    silent: { type: "boolean", short: "s" },
    get: { type: "boolean", short: "G" },
    request: { type: "string", short: "X" },
    header: { type: "string", short: "H", multiple: true, default: [] },
    data: { type: "string", short: "d", multiple: true, default: [] },
    "data-binary": { type: "string" },
  },
});

const parts = await Promise.all(values.data.map(async (part) => withoutLineEnds(await readPart(part))));
const fields = parts.length === 0 ? undefined : parts.join("&");
const raw = values["data-binary"];
const body = values.get === true ? undefined : raw === undefined ? fields : await readPart(raw);
const url = new URL(positionals[0] ?? "");
if (values.get === true && fields !== undefined) url.search += `${url.search === "" ? "" : "&"}${fields}`;
url.host = await placeOf(url.host);

const headers = new Headers(
  body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" },
);
for (const header of values.header) headers.set(...splitAt(header, ":"));
const answer = await fetch(url, {
  method: values.request ?? (body === undefined ? "GET" : "POST"),
  headers,
  ...(body !== undefined && { body: typeof body === "string" ? body : new Uint8Array(body) }),
});
process.stdout.write(`${await answer.text()}\n`);
process.stderr.write(`\n[answered ${answer.status}]\n`);

async function readPart(part: string): Promise<Buffer> {
  if (!part.startsWith("@")) return Buffer.from(part);
  return part === "@-" ? buffer(process.stdin) : readFile(part.slice(1));
}

function withoutLineEnds(part: Buffer): string {
  return part.toString().replaceAll(/[\r\n]/g, "");
}

/** The real address, by the settings. */
async function placeOf(host: string): Promise<string> {
  const settings = await readFile(join(homedir(), ".curlrc"), "utf8");
  const detour = settings.match(new RegExp(`^connect-to = "${RegExp.escape(host)}:(.+)"$`, "m"));
  return detour?.[1] ?? host;
}

function splitAt(text: string, separator: string): [string, string] {
  const [name = "", ...rest] = text.split(separator);
  return [name, rest.join(separator).trim()];
}
