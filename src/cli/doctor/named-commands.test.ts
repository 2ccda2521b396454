import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { runWithoutEnvironment } from "../../testing/processes/bare-command-line.ts";

const rooms = [new URL(".", import.meta.url), new URL("../../monitoring/checks/", import.meta.url)];
const commands = (await Promise.all(rooms.map(commandsNamedIn))).flat();

test("doctor's texts name commands", () => {
  expect(commands).toEqual(expect.arrayContaining(["stripe setup", "resume", "webhooks replay"]));
});

test.each([...new Set(commands)])("the command that doctor names exists: %s", async (command) => {
  const { told } = await runWithoutEnvironment([...command.split(" "), "--help"]);
  expect(told).toMatch(new RegExp(`^Usage: meter-outbox ${command}(?: |$)`, "m"));
});

/** The commands of the command line in a folder's texts, which stand between backticks; without their options. */
async function commandsNamedIn(folder: URL): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => /(?<!\.test)\.ts$/.test(name));
  const sources = await Promise.all(names.map((name) => readFile(new URL(name, folder), "utf8")));
  return sources
    .flatMap(quotedIn)
    .map((quoted) => quoted.replace("node dist/cli.js ", ""))
    .filter((quoted) => !/^(?:node|select) /.test(quoted))
    .map((quoted) => /^[a-z-]+(?: [a-z][a-z-]*)*/.exec(quoted)?.[0] ?? quoted);
}

/** What stands between backticks in string literals, and between escaped ones in templates. */
function quotedIn(source: string): string[] {
  const literals = [...source.matchAll(/"[^"\n]*"/g)].map(([literal]) => literal);
  const ofLiterals = literals.flatMap((literal) => [...literal.matchAll(/`([^`]+)`/g)]);
  const ofTemplates = [...source.matchAll(/\\`([^`]+)\\`/g)];
  return [...ofLiterals, ...ofTemplates].map(([, quoted = ""]) => quoted);
}
