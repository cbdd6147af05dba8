# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
# Cache mounts are not part of the layer, so the results are copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/build/target,sharing=locked \
    cargo build --release --locked --bin gatelodge \
    && install -D target/release/gatelodge /out/usr/local/bin/gatelodge \
    && install -d -m 700 /out/app/data /out/app/logs \
    && cp -r templates /out/app/templates

# GraphiQL's files, so that browsers do not need a CDN. Served only if GRAPHIQL_ENABLED is on.
FROM node:22-bookworm-slim AS graphiql
WORKDIR /build
COPY scripts/graphiql scripts/graphiql
COPY src/http/pages/graphiql.html src/http/pages/
RUN scripts/graphiql

# Contains glibc, CA certificates and an unprivileged user (65532), but no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/usr/local/bin/gatelodge /usr/local/bin/gatelodge
COPY --from=build --chown=65532:65532 /out/app /app
COPY --from=graphiql /build/assets/graphiql /app/assets/graphiql
WORKDIR /app
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000
# SQLite, the development key and the log file; unused if these are stored elsewhere.
VOLUME ["/app/data", "/app/logs"]
# Liveness only: a restart does not help a degraded process. For a container that runs `worker`, set
# METRICS_PORT and use `gatelodge healthcheck --worker`.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["gatelodge", "healthcheck"]
ENTRYPOINT ["gatelodge"]
CMD ["serve"]
