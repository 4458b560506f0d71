FROM registry.test/base
ENV NAME="Grüße 世界 🦀"
RUN echo "$NAME ☃"
COPY --chown=1 a.txt /ä/
LABEL ö="ü"
