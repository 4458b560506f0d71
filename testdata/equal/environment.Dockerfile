FROM registry.test/base
ENV ONE=1 TWO="a b" THREE=c\ d
ENV OLD form with $ONE
ENV ONE=2 SAME=$ONE
ENV PATH=$PATH:/more
RUN echo $ONE $SAME
COPY a.txt /$SAME/
