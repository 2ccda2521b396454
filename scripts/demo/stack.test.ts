import { expect, test } from "vitest";
import { simulatorAt } from "./stripe-side.ts";
import { renderPlaces } from "./stack.ts";

test("the places begin with one link that opens the console signed in", () => {
  const places = renderPlaces({
    databaseUrl: "postgres://127.0.0.1/postgres",
    apiUrl: "http://127.0.0.1:3000",
    workerUrl: "http://127.0.0.1:3001",
    adminToken: "token",
    signInCode: "code_1",
    stripe: simulatorAt("http://127.0.0.1:12111"),
  });
  const [console = ""] = places.split("\n");
  expect(console).toContain(" http://127.0.0.1:3000/console/sign-in?code=code_1 ");
  expect(places.match(/code_1/g)).toHaveLength(1);
});
