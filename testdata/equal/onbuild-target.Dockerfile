FROM registry.test/base
ONBUILD RUN echo triggered
ONBUILD ADD dir /dir
