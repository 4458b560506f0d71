FROM registry.test/base
RUN <<"EOF"
echo $HOME
EOF
RUN <<'EOF' cat > /x
$literal
EOF
