import { compilePrograms, putInPlace } from "./build/compile.ts";

try {
  await putInPlace(await compilePrograms(".build-"));
} catch (error) {
  console.error(`build: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
