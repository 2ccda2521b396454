#!/usr/bin/env bash
# Makes a base image for the Dockerfile where no image registry can be reached: this machine's npm, the project's
# Node and the way to this machine's package registry, on an image that is here already and has glibc.
#
#   .ci/node-image.sh BASE IMAGE
#
# Only the checks use it. Everywhere else the Dockerfile's own default is pulled.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
base=$1 image=$2

# Global modules of the npm that runs here; the Node of the project, since this machine's own may be older.
npm_folder=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
node=node_modules/node/bin/node
"$node" --version

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "$node" "$context/node"
cp -rL "$npm_folder" "$context/npm"
cat "${NODE_EXTRA_CA_CERTS:-/dev/null}" >"$context/certificates.pem"
cat >"$context/Dockerfile" <<DOCKER
FROM $base
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY certificates.pem /etc/npm-certificates.pem
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV NODE_EXTRA_CA_CERTS=/etc/npm-certificates.pem npm_config_registry=$(npm config get registry) npm_config_update_notifier=false
ENTRYPOINT []
CMD ["node"]
DOCKER
docker build -q -t "$image" "$context"
