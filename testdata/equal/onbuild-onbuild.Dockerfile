FROM registry.test/base
ONBUILD ONBUILD RUN echo
#: refused
