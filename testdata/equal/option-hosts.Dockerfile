FROM registry.test/base
RUN echo one
#: args --add-host one.test:10.0.0.1 --add-host two.test:10.0.0.2
