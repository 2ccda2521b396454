import { z } from "zod";
import { httpCall } from "../net/http-call.ts";

/** An organization that came to the service over HTTP, and its customer at Stripe. */
export type Customer = { id: string; key: string; customer: string; sensors: string[] };

const created = z.object({ id: z.uuid() });
const createdKey = z.object({ key: z.string() });

/** Creates an organization with a key and three sensors, as an operator and its own people would: over HTTP. */
export async function signUp(
  apiUrl: string,
  { adminToken, customer }: { adminToken: string; customer: string },
): Promise<Customer> {
  const token = adminToken;
  const organizations = `${apiUrl}/v1/organizations`;
  const organization = await httpCall("POST", organizations, { token, json: { name: "Acme" } });
  const { id } = created.parse(organization.body);
  const json = { stripe_customer_id: customer, status: "active" };
  await httpCall("PUT", `${organizations}/${id}/subscription`, { token, json });
  const keyAnswer = await httpCall("POST", `${organizations}/${id}/api-keys`, { token, json: {} });
  const { key } = createdKey.parse(keyAnswer.body);
  const sensors = ["freezer-1", "freezer-2", "freezer-3"];
  await httpCall("POST", `${apiUrl}/v1/sensors`, {
    token: key,
    json: { sensors: sensors.map((sensor) => ({ id: sensor })) },
  });
  return { id, key, customer, sensors };
}
