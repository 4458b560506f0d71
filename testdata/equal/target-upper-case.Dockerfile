FROM registry.test/base AS One
RUN echo one
FROM registry.test/base AS two
RUN echo two
#: args --target ONE
