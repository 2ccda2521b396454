/** The pages that stand in the head of each page. */
export const places = {
  road: { path: "/console", name: "The road" },
  events: { path: "/console/meter-events", name: "Meter events" },
  organizations: { path: "/console/organizations", name: "Organizations" },
  books: { path: "/console/books", name: "Books" },
  inbox: { path: "/console/stripe-events", name: "Stripe events" },
  delivery: { path: "/console/delivery", name: "Delivery" },
  actions: { path: "/console/actions", name: "Actions" },
} as const;

export type Place = keyof typeof places;
