import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { childEnvironment } from "../../process/child-environment.ts";
import type { Site } from "./site.ts";
import type { Answer, Question, Tasks } from "./serve-tasks.ts";

/** A process that does tasks for us, apart from our own work and from the server that is measured. */
export type Runner<T extends Tasks> = {
  pid: number;
  ask: <Name extends keyof T & string>(
    name: Name,
    input: Parameters<T[Name]>[0],
  ) => Promise<Awaited<ReturnType<T[Name]>>>;
  stop: () => Promise<void>;
};

/** Starts a script of `scripts/bench/runners/`, which serves tasks. A task's error is thrown here. */
export function startRunner<T extends Tasks>(site: Site, script: string): Runner<T> {
  const file = fileURLToPath(new URL(`../runners/${script}.ts`, import.meta.url));
  const child = fork(file, { serialization: "advanced", env: childEnvironment(process.env, {}) });
  const ended = once(child, "exit");
  if (child.pid !== undefined) site.guard.watch(child.pid);
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  child.on("message", (message) => {
    const answer = message as Answer;
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ("error" in answer) asked?.reject(new Error(`${script}: ${answer.error}`));
    else asked?.resolve(answer.output);
  });
  child.once("exit", (code) => {
    for (const asked of waiting.values()) asked.reject(new Error(`${script} ended with exit code ${code}`));
  });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await ended;
  };
  site.teardown.add(stop);
  let questions = 0;
  return {
    pid: child.pid ?? 0,
    ask: (name, input) => {
      const asked = Promise.withResolvers<Awaited<ReturnType<T[typeof name]>>>();
      questions += 1;
      waiting.set(questions, asked as PromiseWithResolvers<unknown>);
      child.send({ id: questions, name, input } satisfies Question);
      return asked.promise;
    },
    stop,
  };
}
