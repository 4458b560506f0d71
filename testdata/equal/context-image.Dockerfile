FROM base AS one
RUN echo one
FROM other.test/tools
COPY --from=base /etc/mark /
COPY --from=one /bin /bin
#: args --build-context base=docker-image://registry.test/tools:1 --build-context other.test/tools=docker-image://registry.test/base
