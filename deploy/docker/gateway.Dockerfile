# NGINX with nginx/, in which one file differs: how it finds the services (docs/deployment/docker.md).
#
#   docker build -f deploy/docker/gateway.Dockerfile .

# 1.27.3 or later: `server NAME resolve` finds a container again that comes back with another address.
ARG NGINX_IMAGE=nginx:1.30
FROM ${NGINX_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="gateway" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-2-Clause"
COPY nginx/ /etc/user-domain/nginx/
COPY deploy/docker/gateway/upstreams.conf /etc/user-domain/nginx/
COPY --chmod=0755 deploy/docker/gateway/start /usr/local/bin/gateway
# listen.conf is written at the start, where `run` is writable even on a read-only root: a tmpfs takes the folder's mode.
RUN ln -sf run/listen.conf /etc/user-domain/nginx/listen.conf \
    && install --directory --mode=1777 /etc/user-domain/nginx/run
USER 65532:65532
EXPOSE 8080 8443
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --start-interval=1s CMD ["gateway", "healthcheck"]
ENTRYPOINT ["gateway"]
