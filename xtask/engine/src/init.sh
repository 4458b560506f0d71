#!/bin/sh
# The first process of an engine, in mount and process namespaces of its own.
# Needs: ROOT, STATE, OWNED (yes: ends when standard input does). In a network namespace of its own also STORAGE, the folder of
# another engine's registry, and ADDRESS, at which that is served.
set -eu
umask 022

# /proc is still the machine's: the first field is this process's id out there.
read -r pid rest < /proc/self/stat
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
mkdir -p "$ROOT$STATE" "$ROOT/.old"
mount --bind "$STATE" "$ROOT$STATE"
if [ -n "${STORAGE:-}" ]; then
	mkdir -p "$ROOT$STORAGE"
	mount --bind "$STORAGE" "$ROOT$STORAGE"
fi
mount --rbind /sys "$ROOT/sys"
mount --rbind /dev "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs tmpfs "$ROOT/run"
mount -t tmpfs tmpfs "$ROOT/tmp"
cat /etc/resolv.conf > "$ROOT/etc/resolv.conf"
cat /etc/hosts > "$ROOT/etc/hosts"
# A plain chroot is not enough: importing a layer then fails with "remount /: invalid argument".
cd "$ROOT"
pivot_root . .old
umount -l /.old
cd /
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
echo "$pid" > "$STATE/pid"

if [ -n "${ADDRESS:-}" ]; then
	ip link set lo up
	ip address add "$ADDRESS/32" dev lo
fi

exec 3<&0 < /dev/null
trap 'kill "$dockerd"; wait "$dockerd"; exit 0' TERM
dockerd --config-file "$STATE/daemon.json" 3<&- &
dockerd=$!
for config in "$STATE"/registry-*.yml; do
	docker-registry serve "$config" 3<&- &
done
if [ "$OWNED" = yes ]; then
	(cat <&3 > /dev/null; kill -TERM 1) &
fi
exec 3<&-
# The end of this process ends every other one in the namespace.
wait "$dockerd"
