FROM registry.test/base
ARG A=1
RUN echo $A
ARG A=2
RUN echo $A
FROM registry.test/base
RUN echo $A
