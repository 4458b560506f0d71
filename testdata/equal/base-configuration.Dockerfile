FROM registry.test/configured
RUN echo $BASE_ENV > file
COPY a.txt $BASE_ENV/
ENV BASE_ENV=$BASE_ENV-more
