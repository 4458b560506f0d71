FROM registry.test/base
RUN --mount=type=tmpfs,target=/t --network=default <<EOF
echo one
EOF
