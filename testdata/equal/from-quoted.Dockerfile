FROM "registry.test/base" AS one
RUN echo quoted
FROM registry.test/ba'se'
COPY --from=one /etc/mark /one
