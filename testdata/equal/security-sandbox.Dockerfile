FROM registry.test/base
RUN --security=sandbox echo
#: refused
