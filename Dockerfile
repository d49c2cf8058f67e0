# A node in a container: see docs/operations.md, "In a container".
FROM node:24.11.1-bookworm-slim AS build
WORKDIR /opt/openledger
COPY package.json package-lock.json .npmrc ./
# The pinned runtime is one of the packages; it is kept, and what only tests and types need is not.
RUN npm ci --omit=dev --ignore-scripts \
 && mkdir /runtime \
 && mv node_modules/node-linux-*/bin/node /runtime/node \
 && rm -rf node_modules/node-linux-* node_modules/@foundry-rs node_modules/@typescript node_modules/typescript
# .dockerignore lets through what the program consists of, and nothing else.
COPY . .

FROM debian:12.11-slim
# Shared libraries of the runtime that the slim image lacks.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libatomic1 libstdc++6 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --no-create-home --user-group --uid 10001 --home-dir /var/lib/openledger --shell /usr/sbin/nologin openledger \
 && install -d -m 700 -o openledger -g openledger /var/lib/openledger \
 && printf '#!/bin/sh\nexec node --max-semi-space-size=64 /opt/openledger/node/main.ts "$@"\n' > /usr/local/bin/openledger \
 && chmod 755 /usr/local/bin/openledger
COPY --from=build /runtime/node /usr/local/bin/node
COPY --from=build /opt/openledger /opt/openledger
USER openledger
ENV HOME=/var/lib/openledger
WORKDIR /var/lib/openledger
VOLUME /var/lib/openledger
# For peers. Everything else listens on loopback until its address says otherwise.
EXPOSE 9222
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:6060/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["openledger"]
CMD ["node", "--config", "/etc/openledger/openledger.json"]
