FROM registry.test/base AS one
RUN echo one
FROM one AS two
RUN echo two
#: args --no-cache-filter one
