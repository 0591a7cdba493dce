# Makes the machine's root directory, and becomes its systemd. Process 1 of its namespaces runs this, with
# $1: the directory of our programs, $2: a directory with the socket for systemd's READY=1, $3: the root directory below the
# overlay.
set -eu
layers=/mnt
root=$layers/root
mount -t tmpfs -o mode=755 machine $layers
mkdir $layers/upper $layers/work $root
mount -t overlay -o lowerdir="$3",upperdir=$layers/upper,workdir=$layers/work machine $root

# The kernel's settings are shared by all machines, and so read-only, as in a container of systemd-nspawn(1).
mount -t proc proc $root/proc
mount --bind $root/proc/sys $root/proc/sys
mount -o remount,bind,ro $root/proc/sys
mount -t sysfs -o ro sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mount -t tmpfs -o mode=755 machine $root/run
mount -t tmpfs -o mode=1777 machine $root/tmp
mount -t tmpfs -o mode=755 machine $root/dev
mkdir $root/dev/pts $root/dev/shm $root/dev/mqueue
for device in null zero full random urandom tty; do
    touch $root/dev/$device
    mount --bind /dev/$device $root/dev/$device
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts $root/dev/pts
ln -s pts/ptmx $root/dev/ptmx
ln -s /proc/self/fd $root/dev/fd
for name in stdin:0 stdout:1 stderr:2; do ln -s fd/${name#*:} $root/dev/${name%:*}; done
mkdir -p $root/opt/imgurd $root/run/outside
mount --bind "$1" $root/opt/imgurd
mount --bind "$2" $root/run/outside

# Start only what a session needs, and nothing else that is installed.
: >$root/etc/fstab
cat >$root/etc/systemd/system/testbed.target <<END
[Unit]
Requires=sysinit.target sockets.target dbus.service systemd-logind.service systemd-user-sessions.service
After=sysinit.target sockets.target dbus.service systemd-logind.service systemd-user-sessions.service
END
# Each user has a journal only if journals are stored on disk (journald.conf(5), SplitMode=).
mkdir -p $root/var/log/journal $root/etc/systemd/journald.conf.d
printf '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n' >$root/etc/systemd/journald.conf.d/testbed.conf

ip link set lo up
cd $root
mkdir -p old
pivot_root . old
umount --lazy /old
exec env -i container=testbed NOTIFY_SOCKET=/run/outside/notify PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time \
    /lib/systemd/systemd --system systemd.unit=testbed.target
