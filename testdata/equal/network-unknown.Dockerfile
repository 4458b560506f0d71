FROM registry.test/base
RUN --network=bridge echo
#: refused
