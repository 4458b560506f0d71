FROM registry.test/base
COPY --parents dir/c.txt /parents/
#: refused
