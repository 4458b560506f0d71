FROM registry.test/base
RUN --mount=type=ssh true
#: network
