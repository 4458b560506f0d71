FROM registry.test/base
ARG A=1
RUN echo one && \
  # comment
  echo two
COPY a.txt \
  /
ENV A=$A
