FROM registry.test/tools:1@digest.test
RUN echo one
