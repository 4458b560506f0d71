FROM registry.test/base
RUN cat <<ONE <<TWO > /x
one
ONE
two
TWO
RUN <<ONE cat && cat <<TWO
1
ONE
2
TWO
