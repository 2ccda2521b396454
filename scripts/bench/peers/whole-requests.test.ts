import { expect, test } from "vitest";
import { createRequestReader } from "./whole-requests.ts";

const request = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

function readAll(chunks: readonly Buffer[]) {
  const requests: { path: string; body: string }[] = [];
  const read = createRequestReader((one) => requests.push(one));
  for (const chunk of chunks) read(chunk);
  return requests;
}

const two = Buffer.from(request("/a", "value=ä") + request("/b", ""));
const both = [
  { path: "/a", body: "value=ä" },
  { path: "/b", body: "" },
];

test("requests that come in one chunk are read one by one", () => {
  expect(readAll([two])).toEqual(both);
});

test("a request is read when it is whole, wherever it was cut", () => {
  for (let cut = 1; cut < two.length; cut += 1) {
    expect(readAll([two.subarray(0, cut), two.subarray(cut)])).toEqual(both);
  }
  expect(readAll([two.subarray(0, two.length - 1)])).toEqual([{ path: "/a", body: "value=ä" }]);
});

test("a request without a length has no body", () => {
  const get = Buffer.from("GET /c HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(readAll([get, get])).toEqual([
    { path: "/c", body: "" },
    { path: "/c", body: "" },
  ]);
});

test("a body in chunks is refused", () => {
  const chunked = Buffer.from("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  expect(() => readAll([chunked])).toThrow("no length");
});
