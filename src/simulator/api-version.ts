/** The version that data is rendered in. Stripe takes the endpoint's (certain); here all endpoints have this data. */
export const apiVersion = "2026-10-28.endive";
