FROM registry.test/base
RUN --mount=type=tmpfs,target=/a \
    # between
    --mount=type=bind,from=registry.test/tools:1,target=/t \
    --network=none \
    echo one \
    && echo two
