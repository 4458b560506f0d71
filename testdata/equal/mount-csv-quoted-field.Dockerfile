FROM registry.test/base
RUN --mount=type=bind,\"target=/ab\",\"from=registry.test/tools:1\" ls /ab
