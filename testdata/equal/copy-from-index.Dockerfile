FROM registry.test/base
RUN echo zero > /zero
FROM registry.test/base AS one
RUN echo one > /one
FROM scratch
COPY --from=0 /zero /
COPY --from=01 /one /
