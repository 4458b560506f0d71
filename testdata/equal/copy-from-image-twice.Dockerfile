FROM registry.test/base
COPY --from=registry.test/tools:1 /etc/mark /one
COPY --link --from=registry.test/tools:1 /etc/mark /two
COPY --from=registry.test/tools:1@digest.test /etc/mark /three
