# The image of one node: current LTS Node.js on a Debian whose glibc (2.41) loads the prebuilt uWebSockets.js binary.
# `npm run image:check` goes through these steps without Docker.

FROM node:24-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY proto ./proto
COPY tools ./tools
COPY src ./src
RUN node tools/build.mjs
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund
RUN node tools/trim-binaries.mjs node_modules/uWebSockets.js

FROM node:24-trixie-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# An image in which a native package does not load is not built at all.
RUN node --eval "require('uWebSockets.js'); require('koffi')"
RUN install --directory --owner=node --group=node /data
USER node
VOLUME /data
EXPOSE 7700
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "--eval", "fetch('http://127.0.0.1:' + (process.env.DUOLOG_PORT ?? 7700) + '/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/main.js"]
# Beyond loopback a node refuses anonymous clients: pass -e DUOLOG_ALLOW_ANONYMOUS=true, or give it users.
CMD ["start", "--data", "/data", "--host", "0.0.0.0"]
