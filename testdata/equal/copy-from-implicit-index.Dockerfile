FROM registry.test/base AS first
COPY --from=registry.test/tools:1 /etc/mark /one
FROM registry.test/base
COPY --from=2 /etc/mark /two
