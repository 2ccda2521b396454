import { expect, test } from "vitest";
import { createSilentNodes } from "./silent-nodes.ts";

const error = Object.assign(new Error("canceling statement due to statement timeout"), { code: "57014" });
const failed = { organizationId: "a", error };

/** Nodes of which each question is answered, by `answer` or `refuse`, when the test says so. */
function openNodes() {
  const questions: PromiseWithResolvers<void>[] = [];
  const nodes = createSilentNodes(() => {
    const question = Promise.withResolvers<void>();
    questions.push(question);
    return question.promise;
  }, 0);
  return { ...nodes, questions };
}

test("a node that is suspected is left out until it answers", async () => {
  const { list, suspect, questions } = openNodes();
  expect(list().size).toBe(0);

  suspect("first", failed);
  suspect("first", failed);
  expect([...list()]).toEqual([["first", error]]);
  questions[0]?.reject(error);
  await expect.poll(() => questions.length).toBe(2);
  expect(list().has("first")).toBe(true);
  questions[1]?.resolve();

  await expect.poll(() => list().size).toBe(0);
  suspect("first", failed);
  expect(list().has("first")).toBe(true);
});

test("connections that were closed tell nothing of a node", async () => {
  const { list, suspect, questions } = openNodes();
  suspect("first", failed);
  questions[0]?.reject(new Error("the driver has already been destroyed"));

  await expect.poll(() => list().size).toBe(0);
});
