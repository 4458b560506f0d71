FROM registry.test/base AS parent
ONBUILD RUN echo triggered
ONBUILD COPY a.txt /
ONBUILD ENV FROM_TRIGGER=1
FROM parent
RUN echo $FROM_TRIGGER
