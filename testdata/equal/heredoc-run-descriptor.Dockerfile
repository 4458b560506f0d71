FROM registry.test/base
RUN cat 3<<EOF <&3
three
EOF
