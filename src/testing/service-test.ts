import { roadTest } from "./road-test.ts";
import { type Service, type ServiceProcess, startService } from "./service-process.ts";
import { workerEnvironment } from "./worker-config.ts";

export const adminToken = "operator-token-of-the-processes-0123456789";

/** Vitest's `test` with a `launch` for real processes on the test's database; none of them outlives it. */
export const serviceTest = roadTest.extend("launch", async ({ database, account }, { onCleanup }) => {
  const processes = new Set<ServiceProcess>();
  const urlOf = (service: Service) =>
    (service === "api" || service === "worker" ? database.as(service) : database).url;
  onCleanup(async () => void (await Promise.all([...processes].map((one) => one.kill()))));

  return (
    service: Service,
    environment: Record<string, string> = {},
    args: readonly string[] = [],
  ): ServiceProcess => {
    const variables = {
      ...workerEnvironment({ databaseUrl: urlOf(service), account }),
      PORT: "0",
      ADMIN_TOKEN: adminToken,
      STRIPE_WEBHOOK_SECRET: "whsec_of_the_processes",
      ...environment,
    };
    const launched = startService(service, variables, args);
    processes.add(launched);
    return launched;
  };
});
