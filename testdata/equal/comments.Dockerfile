# first
FROM registry.test/base # not a comment
#: refused
