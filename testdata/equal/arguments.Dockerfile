ARG GLOBAL=g
FROM registry.test/base
ARG GLOBAL
ARG LOCAL=l-$GLOBAL
ARG GIVEN=default UNSET
RUN echo $GLOBAL $LOCAL $GIVEN
ENV LOCAL=wins
ARG LOCAL=again
RUN echo $LOCAL
#: args --build-arg GIVEN=given --build-arg UNUSED=unused
