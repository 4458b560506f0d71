FROM registry.test/base
COPY --from=registry.test/tools:1 /etc/mark /
