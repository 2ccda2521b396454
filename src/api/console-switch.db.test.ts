import { expect } from "vitest";
import { z } from "zod";
import { serviceTest as test } from "../testing/fixtures/service-fixture.ts";

const home = z.looseObject({ places: z.array(z.object({ path: z.string() })) });

for (const [value, status] of [
  ["on", 200],
  ["off", 404],
] as const) {
  test(`with CONSOLE=${value} the API answers ${status} at the console's sign-in, and names it or not at /`, async ({
    launch,
  }) => {
    const api = launch("api", { CONSOLE: value });
    await api.started();
    expect((await fetch(`${api.url()}/console/sign-in`)).status).toBe(status);
    const { places } = home.parse(await (await fetch(api.url())).json());
    expect(places.some(({ path }) => path === "/console")).toBe(value === "on");
  });
}
