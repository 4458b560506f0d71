FROM registry.test/base
RUN --mount=type=cache,target=/c,from=registry.test/tools:1,source=etc true
#: args --build-arg BUILDKIT_CACHE_MOUNT_NS=space
