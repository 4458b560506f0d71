
# escape=`
FROM registry.test/base
RUN echo a\
 b
