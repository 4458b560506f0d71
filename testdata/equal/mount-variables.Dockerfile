FROM registry.test/base AS source
FROM registry.test/base
ARG DIR=/work
ENV SUB=sub
RUN --mount=type=bind,from=source,target=$DIR/${SUB} --mount=type=cache,target=${DIR:+/c} true
