/** The pages that stand in the head of each page. */
export const places = {
  road: { path: "/console", name: "The road" },
} as const;

export type Place = keyof typeof places;
