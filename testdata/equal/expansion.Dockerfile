FROM registry.test/base
ARG A=abc.tar.gz
ENV B=${A%.gz} C=${A%%.*} D=${A#abc} E=${A##*.} F=${A/tar/x} G=${A//a/y} H=${Z:-none} I=${A:+set} J=${Z-unset} K=$A$Z"$A"
RUN true
