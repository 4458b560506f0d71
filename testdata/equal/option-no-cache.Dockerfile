FROM registry.test/base AS one
RUN echo one
FROM one
RUN echo two
#: args --no-cache
