/** The oldest major version of Node that runs the built programs. */
const nodeMajorMin = 24;

/**
 * One line on what to do when this Node is too old for a program; undefined when it is not. This file and its imports
 * must run on Node 20, which many machines have.
 */
export function nodeFault(program: string, version: string): string | undefined {
  if (Number.parseInt(version, 10) >= nodeMajorMin) return undefined;
  const file = `dist/${program}.js`;
  return (
    `${program}: needs Node ${nodeMajorMin} or newer, and this is Node ${version}: run \`npx node@${nodeMajorMin} ${file}\`, ` +
    `or after \`npm install\` the devDependency's \`node_modules/.bin/node ${file}\``
  );
}
