# escape=`
FROM registry.test/base
RUN echo one `
  && echo C:\dir
ENV A=b` c
COPY a.txt `
  /
