FROM registry.test/base
COPY http://files.test/file /
#: refused
