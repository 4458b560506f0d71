FROM registry.test/onbuild
RUN echo $TRIGGERED
