#!/bin/busybox sh
# PID 1 of the virtual machine. ttyS0: console, ttyS1: stdout, ttyS2: stderr, ttyS3: exit status.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /root /etc /var /out /payload /bin /sbin /usr/bin /usr/sbin /lib/modules
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin 2>/dev/null
# Programs of the overlay come before busybox's own.
export PATH=/payload:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C
[ -e /sbin/modprobe ] || ln -s /bin/modprobe /sbin/modprobe
[ -e /var/run ] || ln -s /run /var/run
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for dir in /dev/shm /tmp /run; do mount -t tmpfs tmpfs "$dir"; done
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
for tty in 1 2 3; do stty -F "/dev/ttyS$tty" raw -echo; done
ln -s /proc/self/fd /dev/fd 2>/dev/null
# Two labs that start at once race for a module being loaded: the loser is told that the device type is unknown.
modprobe -a veth bridge nf_tables 2>/dev/null
busybox ip link set lo up
hostname vm
echo 'root:x:0:0:root:/root:/bin/sh' >/etc/passwd
echo 'nobody:x:65534:65534:nobody:/:/bin/false' >>/etc/passwd
echo 'root:x:0:' >/etc/group
printf '127.0.0.1 localhost vm\n::1 localhost\n' >/etc/hosts
cd /payload || exit
. /job/environment
echo "vm: command starts at $(cut -d' ' -f1 /proc/uptime)" >/dev/console
# By its path: busybox would take itself for sh, and its own ip and ping for those on PATH.
setsid /bin/sh /job/command </dev/null >/dev/ttyS1 2>/dev/ttyS2
status=$?
echo "vm: command ended with $status at $(cut -d' ' -f1 /proc/uptime)" >/dev/console
if [ -e /job/wants-files ]; then
    modprobe -a virtio_pci virtio_blk 2>/dev/null
    tries=0
    while [ ! -b /dev/vda ] && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
    tar -cf /dev/vda -C /out . && sync
fi
echo "$status" >/dev/ttyS3
sync
poweroff -f
