#!/bin/bash
# PID 1 of a machine of its own: namespaces, an overlay over this machine's root, and its systemd. $1: folder to work in. $2: a checkout,
# seen inside as /srv/checkout.
# It has no device but null, zero, random and terminals, a network with nothing but loopback and what is made in it, and
# nothing that it writes reaches the disk below.
set -euo pipefail
work=$1
checkout=$2
root=$work/root
mount -t tmpfs -o mode=755 tmpfs "$work"
mkdir "$work/upper" "$work/scratch" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/scratch" "$root"

mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
while read -r name major minor; do mknod -m 666 "$root/dev/$name" c "$major" "$minor"; done <<'DEVICES'
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
DEVICES
ln -s /proc/self/fd "$root/dev/fd"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/srv/checkout"
mount --bind "$checkout" "$root/srv/checkout"

# Of this machine's own services none starts: no generators, and targets that want nothing.
rm -rf "$root"/{usr/lib,etc}/systemd/system-generators "$root"/{usr/lib,etc}/systemd/system/*.{wants,requires}
rm -rf "$root/var/lib/vetting" "$root/var/cache/vetting" "$root/etc/vetting"
for target in sysinit basic network network-online time-sync multi-user; do
    printf '[Unit]\nDescription=%s of the test\nDefaultDependencies=no\n' "$target" >"$root/etc/systemd/system/$target.target"
done
printf '[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n' >"$root/etc/systemd/system/lab.target"
printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' >"$root/etc/systemd/journald.conf"
: >"$root/etc/fstab"
ip link set lo up
hostname vetting-test
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set -sys_time,-sys_boot,-sys_module,-sys_rawio,-syslog \
    chroot "$root" /lib/systemd/systemd --unit=lab.target --log-target=console --show-status=0
