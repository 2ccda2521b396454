/** The usage that a request is about, for locks, faults and the request log. */
export type Touched = { customer: string; eventName: string; identifier?: string; value?: string };
