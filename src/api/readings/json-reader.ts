/** What is kept of a document. The rest of it is checked and dropped. */
export type KeptJson = {
  /** Of an object so many fields are kept, and beside them those of these names. */
  fieldsMax: number;
  names: ReadonlySet<string>;
  /** Where an object tells how many of its fields were dropped. */
  dropped: symbol;
  /** Of a list so many elements are kept; the others are null. */
  elementsMax: number;
  /** Objects and lists inside so many others are empty. */
  depthMax: number;
};

type Opened = { isKept: boolean; isFull: boolean };
type OpenList = Opened & { end: "]"; value: unknown[] };
type OpenObject = Opened & { end: "}"; value: object; name: string; fields: number; dropped: number };

const blanks = /[ \t\n\r]*/y;
/** Of all characters but quotes, backslashes and control characters, and of escapes. */
const string = /"[ !#-[\]-\uffff]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[ !#-[\]-\uffff]*)*"/y;
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/**
 * Reads a JSON document step by step, so that the event loop can be given back between them. Takes exactly the
 * documents that `JSON.parse` takes, and throws a SyntaxError for all others; the value is the same, but for what is
 * not kept.
 */
export class JsonReader {
  readonly #text: string;
  readonly #kept: KeptJson;
  readonly #open: (OpenList | OpenObject)[] = [];
  #at = 0;
  /** A value has just ended. */
  #isAfterValue = false;
  value: unknown;
  isDone = false;

  constructor(text: string, kept: KeptJson) {
    this.#text = text;
    this.#kept = kept;
  }

  /** Reads on to the beginning of the next value, or to the end of one. */
  step(): void {
    this.#skip(blanks);
    if (this.#isAfterValue) return this.#goOn();
    const next = this.#text[this.#at];
    if (next === "[") return this.#enter({ ...this.#opened(), end: "]", value: [] });
    if (next === "{") {
      return this.#enter({ ...this.#opened(), end: "}", value: {}, name: "", fields: 0, dropped: 0 });
    }
    const from = this.#at;
    this.#expect(next === '"' ? string : scalar);
    this.#endValue(this.#isWanted() ? JSON.parse(this.#text.slice(from, this.#at)) : null);
  }

  #opened(): Opened {
    const isKept = this.#isWanted();
    return { isKept: isKept && this.#open.length < this.#kept.depthMax, isFull: false };
  }

  #enter(opened: OpenList | OpenObject): void {
    this.#open.push(opened);
    this.#at += 1;
    this.#skip(blanks);
    if (this.#text[this.#at] === opened.end) this.#leave(opened);
    else if (opened.end === "}") this.#readName(opened);
  }

  #goOn(): void {
    const opened = this.#open.at(-1);
    if (opened === undefined) {
      if (this.#at < this.#text.length) this.#fail();
      this.isDone = true;
    } else if (this.#text[this.#at] === opened.end) this.#leave(opened);
    else {
      this.#take(",");
      this.#isAfterValue = false;
      if (opened.end === "}") this.#readName(opened);
    }
  }

  #leave(opened: OpenList | OpenObject): void {
    this.#at += 1;
    this.#open.pop();
    if (opened.end === "}" && opened.dropped > 0) set(opened.value, this.#kept.dropped, opened.dropped);
    this.#endValue(opened.value);
  }

  #readName(object: OpenObject): void {
    this.#skip(blanks);
    const from = this.#at;
    this.#expect(string);
    const text = this.#text.slice(from + 1, this.#at - 1);
    object.name = text.includes("\\") ? String(JSON.parse(`"${text}"`)) : text;
    // Only a name that is kept becomes a property: to look for one in an object costs more than to read it.
    object.isFull = object.fields >= this.#kept.fieldsMax && !this.#kept.names.has(object.name);
    this.#skip(blanks);
    this.#take(":");
  }

  #endValue(value: unknown): void {
    this.#isAfterValue = true;
    const opened = this.#open.at(-1);
    if (opened === undefined) this.value = value;
    else if (opened.end === "]") addElement(opened, value, this.#kept);
    else addField(opened, value);
  }

  /** Whether the value that begins now is kept. */
  #isWanted(): boolean {
    const opened = this.#open.at(-1);
    return opened === undefined || (opened.isKept && !opened.isFull);
  }

  #take(expected: string): void {
    if (this.#text[this.#at] !== expected) this.#fail();
    this.#at += 1;
  }

  #expect(pattern: RegExp): void {
    if (!this.#skip(pattern)) this.#fail();
  }

  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const isThere = pattern.test(this.#text);
    if (isThere) this.#at = pattern.lastIndex;
    return isThere;
  }

  #fail(): never {
    throw new SyntaxError(`this is not valid JSON at position ${this.#at}`);
  }
}

function addElement(list: OpenList, element: unknown, { elementsMax }: KeptJson): void {
  if (!list.isKept) return;
  list.value.push(list.isFull ? null : element);
  list.isFull = list.value.length >= elementsMax;
}

function addField(object: OpenObject, value: unknown): void {
  const { name } = object;
  if (object.isFull || !object.isKept) object.dropped += 1;
  else {
    if (!Object.hasOwn(object.value, name)) object.fields += 1;
    set(object.value, name, value);
  }
}

/** As `JSON.parse` does: a field of any name is the object's own. */
function set(object: object, name: string | symbol, value: unknown): void {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}
