FROM registry.test/base
RUN hostname
#: args --build-arg BUILDKIT_SANDBOX_HOSTNAME=host.test
