import { expect, test } from "vitest";
import { wantedForms } from "./wanted-forms.ts";

const names = ["POST of 500", "the seal", "the seal and a POST"];
const wanted = (words: string) => wantedForms(names, words, (name) => name);

test("forms are those whose name has the words, and all without words", () => {
  expect(wanted("POST")).toEqual(["POST of 500", "the seal and a POST"]);
  expect(wanted("")).toEqual(names);
});

test("words that no name has are refused with the names that there are", () => {
  expect(() => wanted("sale")).toThrow(
    'none has "sale" in its name: POST of 500; the seal; the seal and a POST',
  );
});
