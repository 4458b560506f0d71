FROM registry.test/base
COPY --from=files c.txt /
RUN --mount=from=files,target=/files ls /files
#: args --build-context files=dir
