FROM debian:bookworm-slim
RUN <<EOF
set -eux
apt-get update
apt-get install -y --no-install-recommends curl
EOF
RUN <<-'SCRIPT' cat > /out
	#!/bin/sh
	echo "$HOME"
	SCRIPT
RUN <<PYTHON
#!/usr/bin/env python3
print("no shell here")
PYTHON
COPY <<first.conf <<"second.conf" /etc/app/
value=${HOME}
first.conf
value=${HOME}
second.conf
