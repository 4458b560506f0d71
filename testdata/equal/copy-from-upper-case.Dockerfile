FROM registry.test/base AS Build
RUN echo > /x
FROM scratch
COPY --from=BUILD /x /
