import { expect, test } from "vitest";
import { mapField, parseForm, textField } from "./form.ts";

test.each([
  ["a=1&b=", { a: "1", b: "" }],
  ["payload[value]=5&payload[key]=x", { payload: { value: "5", key: "x" } }],
  ["payload%5Bvalue%5D=a%20b+c", { payload: { value: "a b c" } }],
  ["items[0][price]=p&items[1][price]=q", { items: { 0: { price: "p" }, 1: { price: "q" } } }],
  ["items[]=p&items[]=q", { items: { 0: "p", 1: "q" } }],
  ["a=1&a=2", { a: "2" }],
  ["a=100%", { a: "100%" }],
  ["", {}],
])("%j is read as %j", (text, form) => {
  expect(JSON.parse(JSON.stringify(parseForm(text)))).toEqual(form);
});

test("a field called __proto__ is a field like any other", () => {
  const form = parseForm("__proto__[polluted]=1");

  expect(textField(mapField(form, "__proto__") ?? {}, "polluted")).toBe("1");
  expect({}).not.toHaveProperty("polluted");
});

test("a map is no text and a text is no map", () => {
  const form = parseForm("payload[value]=5&name=x");

  expect(textField(form, "payload")).toBeUndefined();
  expect(mapField(form, "name")).toBeUndefined();
});
