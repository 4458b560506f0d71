FROM registry.test/base
FETCH http://files.test/file
#: refused
