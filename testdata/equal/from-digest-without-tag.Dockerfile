FROM registry.test/tools@digest.test
RUN echo one
