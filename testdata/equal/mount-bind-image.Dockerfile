FROM registry.test/base
RUN --mount=type=bind,from=registry.test/tools:1,source=/etc,target=/tools cat /tools/mark
RUN --mount=from=registry.test/tools:1@digest.test,target=/tools --mount=from=registry.test/base,target=/base ls /tools /base
