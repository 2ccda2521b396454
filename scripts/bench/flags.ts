import { parseArgs } from "node:util";
import { type BenchName, benchesOfForms, benchNames, isBenchName, longBenches } from "./names.ts";

export type BenchFlags =
  | {
      kind: "run";
      names: BenchName[];
      rounds: number;
      seconds: number;
      minutes: number;
      millions: number[];
      /** Words in the name of the forms that a bench of several forms runs; empty for all. */
      form: string;
      seedFolder: string | undefined;
    }
  | { kind: "help" }
  | { kind: "wrong"; fault: string };

const roundsDefault = 5;
const secondsDefault = 3;
const minutesDefault = 20;
const millionsDefault = [1, 10, 50];
/** The readings of growth go back half a week for each, and partitions are made for a year. */
const millionsMax = 80;

export const benchUsage = `usage: npm run bench [-- NAME…] [options]
  NAME         ${benchNames.join(", ")};
               without a name all but ${longBenches.join(", ")}, which take long
  --all        all of them
  --rounds N   rounds of each contestant, interleaved (default ${roundsDefault}); a warm-up round comes before
  --seconds N  how long a round is to last, about (default ${secondsDefault})
  --minutes N  how long autovacuum is watched (default ${minutesDefault})
  --millions N,N,…
               millions of readings stored that growth compares, the first with the others, each at most ${millionsMax}
               (default ${millionsDefault.join(",")}; a million takes about 0.3 GB of disk)
  --form WORDS only the forms of drain or the parts of growth whose name has these words, such as "the seal" or "POST";
               a form of drain takes about two minutes
  --seed-folder DIR
               keeps there what year, growth and console are filled with, and uses it again
  --help       show this

Prints a Markdown table and writes bench-results/*.json. Exit code 0 when everything was measured, also when a
target was missed; 1 when something failed; 2 for wrong usage.`;

/** Reads the arguments of `npm run bench`; an unknown one is wrong usage. */
export function readBenchFlags(args: readonly string[]): BenchFlags {
  const read = parse(args);
  if ("fault" in read) return { kind: "wrong", fault: read.fault };
  const { values, positionals } = read;
  if (values.help === true) return { kind: "help" };
  const stranger = positionals.find((name) => !isBenchName(name));
  if (stranger !== undefined) return { kind: "wrong", fault: `there is no bench ${stranger}` };
  const rounds = positiveInteger(values.rounds, roundsDefault);
  const seconds = positiveInteger(values.seconds, secondsDefault);
  const minutes = positiveInteger(values.minutes, minutesDefault);
  if (rounds === undefined || seconds === undefined || minutes === undefined) {
    return { kind: "wrong", fault: "--rounds, --seconds and --minutes take a whole number from 1 on" };
  }
  const millions = values.millions === undefined ? millionsDefault : ascendingSizes(values.millions);
  if (millions === undefined) {
    const fault = `--millions takes two or more ascending whole numbers from 1 to ${millionsMax}, such as 1,10,50`;
    return { kind: "wrong", fault };
  }
  const isWanted = (name: BenchName) => {
    if (values.all === true) return true;
    return positionals.length > 0 ? positionals.includes(name) : !longBenches.includes(name);
  };
  const names = benchNames.filter(isWanted);
  if (values.form !== undefined && !names.some((name) => benchesOfForms.includes(name))) {
    return { kind: "wrong", fault: `--form is for ${benchesOfForms.join(" and ")}` };
  }
  return {
    kind: "run",
    names,
    rounds,
    seconds,
    minutes,
    millions,
    form: values.form ?? "",
    seedFolder: values["seed-folder"],
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        all: { type: "boolean" },
        rounds: { type: "string" },
        seconds: { type: "string" },
        minutes: { type: "string" },
        millions: { type: "string" },
        form: { type: "string" },
        "seed-folder": { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { fault: error.message };
  }
}

function positiveInteger(text: string | undefined, otherwise: number): number | undefined {
  if (text === undefined) return otherwise;
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined;
}

function ascendingSizes(text: string): number[] | undefined {
  const sizes = text.split(",").map((size) => positiveInteger(size, 0) ?? 0);
  const isAscending = sizes.every((size, index) => size > (sizes[index - 1] ?? 0));
  return isAscending && sizes.length > 1 && Math.max(...sizes) <= millionsMax ? sizes : undefined;
}
