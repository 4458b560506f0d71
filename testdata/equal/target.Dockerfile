FROM registry.test/base AS one
RUN echo one
FROM registry.test/base AS two
RUN echo two
#: args --target one
