/** Form fields by name; `payload[value]=5` is `{ payload: { value: "5" } }`, and arrays are maps by index. */
export type Form = { [name: string]: string | Form };

/** Reads an `application/x-www-form-urlencoded` text with Stripe's bracket names. Later fields win. */
export function parseForm(text: string): Form {
  const form = emptyForm();
  if (text === "") return form;
  for (const pair of text.split("&")) {
    const equals = pair.indexOf("=");
    const name = decode(equals === -1 ? pair : pair.slice(0, equals));
    const value = equals === -1 ? "" : decode(pair.slice(equals + 1));
    if (name !== "") place(form, pathOf(name), value);
  }
  return form;
}

/** The text of a field, or undefined when it is absent or a map. */
export function textField(form: Form, name: string): string | undefined {
  const value = form[name];
  return typeof value === "string" ? value : undefined;
}

/** The map of a field; undefined when it is absent or a text. */
export function mapField(form: Form, name: string): Form | undefined {
  const value = form[name];
  return typeof value === "object" ? value : undefined;
}

/** A field that is `true` or `false`; undefined when it is absent or another word. */
export function booleanField(form: Form, name: string): boolean | undefined {
  const text = textField(form, name);
  return text === "true" ? true : text === "false" ? false : undefined;
}

function emptyForm(): Form {
  // Without a prototype a field called `__proto__` is a field like any other.
  const form: Form = {};
  Object.setPrototypeOf(form, null);
  return form;
}

function decode(text: string): string {
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}

function pathOf(name: string): string[] {
  const bracket = name.indexOf("[");
  if (bracket <= 0 || !name.endsWith("]")) return [name];
  return [name.slice(0, bracket), ...name.slice(bracket + 1, -1).split("][")];
}

function place(form: Form, path: string[], value: string): void {
  let target = form;
  for (const [depth, step] of path.entries()) {
    // `items[]=a&items[]=b` numbers its elements itself.
    const key = step === "" ? String(Object.keys(target).length) : step;
    if (depth === path.length - 1) {
      target[key] = value;
      return;
    }
    const next = target[key];
    target = typeof next === "object" ? next : (target[key] = emptyForm());
  }
}
