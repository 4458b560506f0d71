FROM registry.test/base
RUN echo one
