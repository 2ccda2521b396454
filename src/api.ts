import { startProgram } from "./process/start-program.ts";

await startProgram({ name: "api", kind: "service", isLean: true }, async () => {
  const { runApi } = await import("./api/api-process.ts");
  return (stop) => runApi(stop, () => import("./console/mount-console.tsx"));
});
