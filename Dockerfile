# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
# The caches outlive the layer, what is wanted from them does not: it is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/build/target,sharing=locked \
    cargo build --release --locked --bin gatelodge \
    && install -D target/release/gatelodge /out/usr/local/bin/gatelodge \
    && install -d -m 700 /out/app/data /out/app/logs \
    && cp -r templates /out/app/templates

# GraphiQL's files, so that no browser asks a CDN. Served only where GRAPHIQL_ENABLED is on.
FROM node:22-bookworm-slim AS graphiql
WORKDIR /build
COPY scripts/graphiql scripts/graphiql
COPY src/http/pages/graphiql.html src/http/pages/
RUN scripts/graphiql

# glibc, certificate authorities and a user without rights (65532); no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/usr/local/bin/gatelodge /usr/local/bin/gatelodge
COPY --from=build --chown=65532:65532 /out/app /app
COPY --from=graphiql /build/assets/graphiql /app/assets/graphiql
WORKDIR /app
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000
# SQLite, the development key, and the log file; unused where these live elsewhere.
VOLUME ["/app/data", "/app/logs"]
# Whether it answers: one that is degraded is not helped by a restart. For a container that runs
# `worker`: METRICS_PORT, and `gatelodge healthcheck --worker`.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["gatelodge", "healthcheck"]
ENTRYPOINT ["gatelodge"]
CMD ["serve"]
