# The bridge. It brings OpenCode, so that it also runs alone, with the embedded server.
#
#   docker build --build-arg BASE_IMAGE=node:26-slim@sha256:<digest> --build-arg VERSION=<version> -t letta-opencode-plugin .
#
# BASE_IMAGE has no default: a tag without digest is another image tomorrow. The digest of today:
#   docker buildx imagetools inspect node:26-slim
# It needs Node 22.18 or later, and apt-get unless it brings git, ripgrep, tini and ca-certificates itself.
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# The one install script that is needed picks OpenCode's binary for this processor; what it picked from can go.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && node node_modules/opencode-ai/postinstall.mjs \
  && rm -rf node_modules/opencode-linux-*

# What the package has.
FROM dependencies AS build
RUN npm ci --ignore-scripts --prefer-offline --no-audit --no-fund
COPY build build
COPY src src
RUN node build/index.ts

FROM ${BASE_IMAGE}
RUN { command -v git && command -v rg && command -v tini && test -e /etc/ssl/certs/ca-certificates.crt; } \
  || { apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git ripgrep tini \
    && rm -rf /var/lib/apt/lists/*; }
# Volumes take their first owner from here. By number, so that Kubernetes can see it is not root.
RUN mkdir -p /data /workspace /home/node && chown 1000:1000 /data /workspace /home/node
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY --from=build /app/dist dist

ENV NODE_ENV=production \
  HOME=/home/node \
  MCP_HOST=0.0.0.0 \
  MCP_PORT=3500 \
  DATA_DIR=/data \
  WORKSPACE_DIR=/workspace
USER 1000:1000
VOLUME ["/data", "/workspace"]
EXPOSE 3500
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
  CMD ["env", "-u", "NODE_USE_ENV_PROXY", "-u", "NODE_OPTIONS", "node", "-e", "fetch(`http://127.0.0.1:${process.env.MCP_PORT}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Shells that OpenCode leaves behind become children of the first process, and tini buries them.
ENTRYPOINT ["tini", "--", "node", "dist/index.js"]
CMD ["serve"]

ARG VERSION=unknown
LABEL org.opencontainers.image.title="letta-opencode-plugin" \
  org.opencontainers.image.description="MCP bridge that hands coding work from agents to OpenCode" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}"
