FROM registry.test/base
RUN echo one
#: args --pull
