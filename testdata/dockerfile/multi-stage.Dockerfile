# syntax=docker/dockerfile:1
# check=skip=all
ARG GO=1.24
ARG BASE=alpine:3.20

FROM --platform=$BUILDPLATFORM golang:${GO}-alpine AS build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache \
    # modules first, they change least
    go mod download

COPY . .
RUN --mount=type=bind,from=tools,source=/bin/lint,target=/bin/lint \
    --network=none GOOS=${TARGETOS} GOARCH=$TARGETARCH go build -o /out/app ./cmd/app

FROM registry.test:5000/acme/tools@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef AS tools

FROM ${BASE}
LABEL org.opencontainers.image.title="app" maintainer='nobody <nobody@example.com>'
ENV PATH=/app/bin:$PATH LANG=C.UTF-8
COPY --from=build --chown=1000:1000 --chmod=0755 /out/app /app/bin/
COPY --from=ghcr.io/acme/certs:2 ["/etc/ssl/certs", "/etc/ssl/certs"]
USER 1000
EXPOSE 8080/tcp 9090
HEALTHCHECK --interval=30s --timeout=3s CMD ["/app/bin/app", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/bin/app"]
CMD ["serve"]
