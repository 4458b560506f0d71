# The frontend image, from source:
#
#   docker buildx build -t registry.example.com/org/verified-dockerfile --push .
#
# `cargo xtask image` makes the same image without Docker, from a binary built on the machine.

ARG RUST_IMAGE=docker.io/library/rust:1.95-alpine

FROM ${RUST_IMAGE} AS build
# ring, the cryptography below TLS, has parts in C and assembler.
RUN apk add --no-cache musl-dev gcc
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target <<EOF
set -eu
cargo build --release --locked --bin verified-dockerfile
mkdir -p /image/src
cp target/release/verified-dockerfile /image/verified-dockerfile
EOF

FROM scratch
LABEL moby.buildkit.frontend.network.none="true" \
      moby.buildkit.frontend.caps="moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts,moby.buildkit.frontend.gitquerystring"
COPY --from=build /image/ /
# docker run --rm --volume "$PWD:/src" registry.example.com/org/verified-dockerfile check
WORKDIR /src
ENTRYPOINT ["/verified-dockerfile"]
