# first

FROM registry.test/base
  # indented
RUN echo one && \
# at the margin
    echo two && \

    # indented
    echo three # stays
ENV A=1 \
# between
    B=2
