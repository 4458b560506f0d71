FROM registry.test/base
RUN echo "<<EOF"
RUN cat <<<EOF
RUN ["cat", "<<EOF"]
CMD cat <<EOF
