FROM registry.test/tools:1
RUN echo one
