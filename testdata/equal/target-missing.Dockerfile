FROM registry.test/base AS one
RUN echo one
#: args --target three
#: refused
