FROM registry.test/base
RUN --mount=type=tmpfs,target=/one --mount=type=tmpfs,target=/two,size=1048576 true
