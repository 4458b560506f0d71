FROM registry.test/base
COPY --from=later /x /
FROM registry.test/base AS later
