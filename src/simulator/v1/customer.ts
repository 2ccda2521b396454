/** A customer, reduced to what usage and subscriptions need. */
export type Customer = {
  id: string;
  createdAt: number;
  livemode: boolean;
  name: string | null;
  email: string | null;
  metadata: Record<string, string>;
  isDeleted: boolean;
  testClock: string | null;
};

/** A customer known by nothing but its id, for tests that bring their own ids. */
export function namedCustomer(id: string, createdAt: number): Customer {
  return {
    id,
    createdAt,
    livemode: false,
    name: null,
    email: null,
    metadata: {},
    isDeleted: false,
    testClock: null,
  };
}
