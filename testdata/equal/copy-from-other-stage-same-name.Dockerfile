FROM registry.test/base AS x
RUN echo 1 > /x
FROM registry.test/base AS x
RUN echo 2 > /x
FROM scratch
COPY --from=x /x /
