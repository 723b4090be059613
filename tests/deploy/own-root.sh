#!/bin/sh
# own-root.sh COMMAND…: runs it where container tools find what they need: mounts and processes of its own, a root
# directory that is a mount point (in a chroot it is not), a /sys/fs/cgroup, terminals. Nothing that it starts or mounts outlives
# it. Needs root.
set -eu
own=$(mktemp -d)
trap 'umount -l "$own" 2>/dev/null || true; rmdir "$own"' EXIT
trap 'exit 143' TERM INT

# What is mounted below a private mount is seen by nobody else. (The root's own propagation cannot be changed in a chroot.)
setpriv --pdeathsig KILL unshare --mount --propagation unchanged --pid --fork --kill-child sh -euc '
    own=$1 here=$2
    shift 2
    mount -t tmpfs own-root "$own"
    mount --make-private "$own"
    mkdir "$own/root"
    mount --rbind / "$own/root"
    mount --make-rprivate "$own/root"
    mount -t proc proc "$own/root/proc"
    [ -d "$own/root/sys/kernel" ] || mount -t sysfs sysfs "$own/root/sys"
    if [ ! -e "$own/root/dev/pts/ptmx" ]; then
        mkdir -p "$own/root/dev/pts"
        mount -t devpts -o newinstance,ptmxmode=0666 devpts "$own/root/dev/pts"
    fi
    case $(stat -f -c %T "$own/root/sys/fs/cgroup") in
        cgroup2fs) ;;
        *) mount -t tmpfs cgroup "$own/root/sys/fs/cgroup" ;;
    esac
    exec chroot "$own/root" sh -c "cd \"\$0\" && exec \"\$@\"" "$here" "$@"
' own-root "$own" "$PWD" "$@" &
# (Not exec, for the end; not in the foreground, for signals.)
child=$!
trap 'kill -KILL $child' TERM INT
status=0
wait "$child" || status=$?
exit "$status"
