FROM registry.test/base AS one
ARG S=one
FROM registry.test/base
COPY --from=$S /etc/mark /
#: refused
