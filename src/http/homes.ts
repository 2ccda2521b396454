import type { Home } from "./home-page.ts";

const probes = [
  { path: "/healthz", shows: "whether the process runs" },
  { path: "/readyz", shows: "whether it can work, and what fails" },
  { path: "/metrics", shows: "what it measures, for Prometheus" },
];

const api: Home = {
  title: "meter-outbox API",
  does: "Takes temperature readings in and answers for what was billed. All of /v1 needs a token.",
  places: [
    { path: "/docs", shows: "every call, to read and to try" },
    { path: "/openapi.json", shows: "every call, for machines" },
    ...probes,
  ],
};

/** The first pages of the two processes. */
export const homes: Record<"api" | "apiWithConsole" | "worker", Home> = {
  api,
  apiWithConsole: {
    ...api,
    places: [{ path: "/console", shows: "the console, for operators" }, ...api.places],
  },
  worker: {
    title: "meter-outbox worker",
    does: "Seals usage into meter events and delivers them to Stripe. It takes no requests but these.",
    places: probes,
  },
};
