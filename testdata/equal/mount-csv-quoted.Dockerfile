FROM registry.test/base
RUN --mount=type=bind,"target=/a b","from=registry.test/tools:1" ls "/a b"
RUN "--mount=type=tmpfs,target=/x" true
