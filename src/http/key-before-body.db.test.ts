import { expect } from "vitest";
import { apiTest as test } from "../testing/fixtures/api-fixture.ts";
import { operationsOf } from "../testing/openapi/document.ts";
import { readDocument } from "../testing/openapi/checked-requests.ts";

/** Asks with a body that comes in pieces; tells the answer, and whether a piece of the body was read. */
async function askInPieces(
  app: { request: (path: string, init: RequestInit) => Response | Promise<Response> },
  { method, path, headers }: { method: string; path: string; headers: Record<string, string> },
): Promise<{ status: number; wasRead: boolean }> {
  let wasRead = false;
  const body = new ReadableStream(
    {
      pull(controller) {
        wasRead = true;
        controller.enqueue(Buffer.from("{}"));
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const { status } = await app.request(path, { method, headers, body, duplex: "half" });
  return { status, wasRead };
}

test("no route reads a byte of a body before it knows whose it is", async ({ api }) => {
  const operations = operationsOf(await readDocument(api.app)).filter(({ requestBody }) => requestBody);
  expect(operations.length).toBeGreaterThan(5);
  for (const { method, path, token } of operations) {
    const address = path.replaceAll(/\{\w+\}/g, "01a202c2-ae10-7785-866f-9599d040330f");
    const headers = { "content-type": "application/json", "x-request-id": "one" };
    const asked = await askInPieces(api.app, { method, path: address, headers });
    const refusal = token === undefined ? 400 : 401;
    expect(asked, `${method} ${path}`).toEqual({ status: refusal, wasRead: false });
  }
});

test("with a key the body is read", async ({ api }) => {
  const { key } = await api.join();
  const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
  const asked = await askInPieces(api.app, { method: "POST", path: "/v1/sensors", headers });
  expect(asked).toEqual({ status: 400, wasRead: true });
});
