# The image of one binary of the workspace, by its name:
#
#   docker build -f deploy/docker/service.Dockerfile --build-arg SERVICE=auth-service .
#
# docs/deployment/docker.md tells how to run it, docs/adr/0011-images.md why it is made so.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim

# The compiler, and the headers of what the binary links to.
FROM ${RUST_IMAGE} AS compiler
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libmariadb-dev libpq-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# For docker-compose.dev.yml: compiles, into a volume, the source that Compose keeps as it is on the developer's machine. The
# crates are fetched here, because the networks of the stack lead nowhere.
FROM compiler AS development
ENV CARGO_HOME=/var/cache/cargo
# The mount points of volumes, which take their owner from here. Compose copies files for a user whom it can look up.
RUN groupadd --gid 65532 user-domain \
    && useradd --uid 65532 --gid 65532 --no-create-home user-domain \
    && install --directory --owner=65532 --group=65532 /src /src/target /var/cache/cargo /var/lib/user-domain
# hadolint ignore=DL3066
USER user-domain
COPY --chown=65532:65532 . .
RUN --mount=type=secret,id=build-ca,target=/run/secrets/ca.pem,required=false,uid=65532 \
    if [ -s /run/secrets/ca.pem ]; then export CARGO_HTTP_CAINFO=/run/secrets/ca.pem; fi \
    && cargo fetch --locked
ARG SERVICE
ENV SERVICE=${SERVICE} \
    CARGO_NET_OFFLINE=true \
    CARGO_INCREMENTAL=1 \
    HOST=0.0.0.0 \
    INTERNAL_BIND=0.0.0.0
# `cargo run` gives way to the program, which then receives the signals itself.
ENTRYPOINT ["sh", "-c", "exec cargo run --locked --package \"$SERVICE\" -- \"$@\"", "cargo-run"]
HEALTHCHECK --interval=5s --timeout=3s --start-period=900s --start-interval=1s \
    CMD ["sh", "-c", "exec target/debug/\"$SERVICE\" healthcheck"]

FROM compiler AS compile
ARG SERVICE
# Features beside the default ones, separated by commas.
ARG FEATURES=""
COPY . .
# The crates and what is compiled of them outlive the layer: after a change in one service cargo compiles that alone. All
# services are compiled at once, because each by itself would compile a good part of the crates again with other features.
# Builds of several images wait for each other by cargo's own lock. The secret `build-ca` is a bundle of certificates (PEM) for
# machines whose proxy opens TLS; it leaves nothing in the image.
# hadolint ignore=SC2086
RUN --mount=type=cache,id=user-domain-crates,target=/usr/local/cargo/registry \
    --mount=type=cache,id=user-domain-target,target=/src/target \
    --mount=type=secret,id=build-ca,target=/run/secrets/ca.pem,required=false \
    if [ -s /run/secrets/ca.pem ]; then export CARGO_HTTP_CAINFO=/run/secrets/ca.pem; fi \
    && packages=$(awk 'NF && !/^#/ {printf "--package %s ", $3}' deploy/services) \
    && case " $packages " in *" ${SERVICE} "*) ;; *) packages="--package ${SERVICE}" ;; esac \
    && cargo build --locked --release $packages --features "${FEATURES}" \
    && install -D --strip "target/release/${SERVICE}" "/out/${SERVICE}"

# Binaries that were compiled elsewhere take its place: --build-context binaries=target/release
FROM scratch AS binaries
COPY --from=compile /out/ /

# What the binary needs at run time, out of Debian's packages.
FROM ${DEBIAN_IMAGE} AS closure
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libmariadb3 libpq5 tzdata \
    && rm -rf /var/lib/apt/lists/*
ARG SERVICE
COPY deploy/docker/closure /usr/local/sbin/closure
COPY --from=binaries /${SERVICE} /usr/local/bin/${SERVICE}
RUN closure "/usr/local/bin/${SERVICE}" /image

FROM scratch AS runtime
ARG SERVICE
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="${SERVICE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=closure /image /
ENV PATH=/usr/local/bin
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --start-interval=1s CMD ["service", "healthcheck"]
ENTRYPOINT ["service"]

# All services in one process, on files in /data: docker build --target standalone --build-arg SERVICE=standalone
# --build-arg FEATURES=postgres,mysql
FROM runtime AS standalone
COPY --from=closure --chown=65532:65532 --chmod=0700 /image/var/lib/user-domain /data
ENV APP_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATA_DIR=/data
VOLUME /data
EXPOSE 8080

FROM runtime AS service
# Other containers reach both listeners; who may, the network decides.
ENV HOST=0.0.0.0 \
    INTERNAL_BIND=0.0.0.0
