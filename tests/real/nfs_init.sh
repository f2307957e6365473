#!/bin/busybox sh
# The initramfs of the NFS guest: makes a root of the machine's own files, which it cannot change, and goes over to Python there.
# Shares: `root` the machine's files, `tools` the NFS programs beside them, `out` what comes out again.
bb=/bin/busybox
$bb mount -t devtmpfs dev /dev
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
for m in $($bb cat /modules.order); do $bb insmod /modules/$m || echo "GUEST-PANIC module $m"; done

share() { $bb mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,$3 $1 $2 || echo "GUEST-PANIC share $1"; }
share root /root ro,cache=loose
share tools /tools ro,cache=loose
share out /out rw,cache=none
$bb mount -t tmpfs -o mode=755 changes /changes
$bb mkdir /changes/upper /changes/work
$bb mount -t overlay -o lowerdir=/root:/tools,upperdir=/changes/upper,workdir=/changes/work root /new || echo "GUEST-PANIC root"

$bb mkdir -p /new/dev /new/proc /new/sys /new/run /new/mnt/out
$bb mount -t tmpfs -o mode=755 run /new/run
for d in dev proc sys; do $bb mount -o move /$d /new/$d; done
$bb mount -o move /out /new/mnt/out
. /new/mnt/out/environment
exec $bb switch_root /new "$PYTHON" -u "$PROGRAM"
