FROM registry.test/base
RUN echo one
RUN --network=none echo two
#: args --network none
