# syntax=registry.test/nothing
# check=skip=all
# escape=\
FROM registry.test/base
RUN echo \
 one
