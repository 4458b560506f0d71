FROM registry.test/nothing AS replaced
RUN echo never
FROM registry.test/base
COPY --from=replaced /etc/mark /
#: args --build-context replaced=docker-image://registry.test/tools:1
