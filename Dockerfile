# One image for every program: the API by default, `node dist/worker.js`, `node dist/migrate.js`, `node dist/cli.js`
# and `node dist/simulator.js` as commands of their own. docs/containers.md has the rest.
#
# Any image with Node 24 or newer and npm will do as a base. By its digest, so that every build has the same; compose.yaml
# names the same one.
ARG NODE_IMAGE=node:24.21.0-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && rm -rf ~/.npm

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Without install scripts: they fetch a Postgres and a Node for the tests.
RUN npm ci --ignore-scripts --no-audit --no-fund && rm -rf ~/.npm
COPY src ./src
COPY scripts/build.ts ./scripts/
COPY scripts/build/compile.ts ./scripts/build/
RUN node scripts/build.ts

FROM ${NODE_IMAGE} AS service
WORKDIR /app
ENV NODE_ENV=production NODE_OPTIONS=--enable-source-maps
COPY LICENSE package.json ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY migrations ./migrations
COPY scripts/roles.sql ./scripts/
# Everything belongs to root, and the service writes no file. By number, so that a cluster can tell that it is not root.
USER 1000:1000
EXPOSE 3000 3001
# A container has one of the two ports: the API's or the worker's.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "-e", "\
const { PORT, WORKER_PORT } = process.env; \
const isWell = (port) => fetch(`http://127.0.0.1:${port}/healthz`).then(({ ok }) => ok || Promise.reject()); \
Promise.any([isWell(PORT || 3000), isWell(WORKER_PORT || 3001)]).catch(() => process.exit(1))"]
CMD ["node", "dist/api.js"]

# The demo's gateways, for compose.yaml.
# It serves nothing, and has no health to check.
FROM service AS demo
HEALTHCHECK NONE
COPY --from=build /app/node_modules/vega-datasets/package.json ./node_modules/vega-datasets/
COPY --from=build /app/node_modules/vega-datasets/build ./node_modules/vega-datasets/build
COPY --from=build /app/node_modules/vega-datasets/data/seattle-weather-hourly-normals.csv ./node_modules/vega-datasets/data/
COPY src ./src
COPY scripts ./scripts
CMD ["node", "scripts/replay.ts"]

# The target that is built when none is named.
FROM service
