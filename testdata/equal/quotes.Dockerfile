FROM registry.test/base
ENV A='$HOME' B="$HOME" C=\$HOME D="a'b" E='a"b'
RUN echo '$A' "$B" \$C
COPY "a.txt" '/quoted'
