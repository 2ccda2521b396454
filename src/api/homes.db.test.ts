import { expect } from "vitest";
import { z } from "zod";
import { createApp } from "../http/app.ts";
import { mountHome } from "../http/home-page.ts";
import { silentLog } from "../log.ts";
import { createSimulator } from "../simulator/create-simulator.ts";
import { findFreePort } from "../testing/net/free-port.ts";
import { apiTest as test } from "../testing/fixtures/api-fixture.ts";
import { serviceTest } from "../testing/fixtures/service-fixture.ts";
import { homes } from "../http/homes.ts";

const browser = { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };
const homeSchema = z.object({ does: z.string(), places: z.array(z.object({ path: z.string() })) });

test("the API's front door says what it is, and each place that it names is there", async ({ api }) => {
  const { status, body } = await api.ask("GET", "/");
  expect({ status, body }).toEqual({ status: 200, body: homes.api });

  for (const { path } of homes.api.places) {
    expect((await api.askText("GET", path)).status, path).toBe(200);
  }
});

serviceTest("the worker's front door leads to what a worker serves", async ({ launch }) => {
  const worker = launch("worker", { WORKER_PORT: String(await findFreePort()) });
  await worker.started();

  const { places } = homeSchema.parse(await (await fetch(worker.url())).json());
  for (const { path } of places) expect((await fetch(`${worker.url()}${path}`)).status, path).toBe(200);
});

test("the simulator's front door leads to its own pages", async () => {
  const { app, close } = createSimulator();
  const { places } = homeSchema.parse(await (await app.request("/")).json());

  for (const { path } of places) expect((await app.request(path)).status, path).toBe(200);
  await close();
});

test("a browser gets a page that needs nothing from outside", async () => {
  const api = createApp({ log: silentLog });
  mountHome(api, homes.api);
  const simulator = createSimulator();
  for (const app of [api, simulator.app]) {
    const answer = await app.request("/", browser);
    const page = await answer.text();
    expect(answer.headers.get("content-type")).toContain("text/html");
    expect(answer.headers.get("vary")).toBe("Accept");
    expect(page).toMatch(/<h1>[^<]+<\/h1>/);
    expect(page).not.toMatch(/<script|<style|(?:src|href)="(?!\/)/);
  }
  await simulator.close();
});
