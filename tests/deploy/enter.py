"""enter.py ROOT UID GID [INSIDE=OUTSIDE…] -- PROGRAM ARG…: runs a program of an unpacked image by the kernel's own calls: ROOT
is its file system and read-only, files of this machine are seen in it where they are said to be, and it has that user's
rights: no capability, and none to be had. Its environment is this script's.

ROOT a number: what the process of that number sees as its root. (What engines call exec.)"""

import ctypes
import os
import signal
import sys

CLONE_NEWNS = 0x20000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
libc = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    if result != 0:
        sys.exit(f"enter.py: {what}: {os.strerror(ctypes.get_errno())}")


def bind_read_only(source, target):
    must(libc.mount(source.encode(), target.encode(), None, MS_BIND, None), f"mount at {target}")
    flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV
    must(libc.mount(None, target.encode(), None, flags, None), f"read-only at {target}")


def join(pid):
    root, mounts = os.open(f"/proc/{pid}/root", os.O_DIRECTORY), os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    must(libc.setns(mounts, CLONE_NEWNS), "setns")
    os.fchdir(root)
    os.chroot(".")
    os.close(root)


def make(root, files):
    must(libc.unshare(CLONE_NEWNS), "unshare")
    must(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
    bind_read_only(root, root)
    for inside, outside in (f.split("=", 1) for f in files):
        bind_read_only(outside, root + inside)
    os.chroot(root)


def main(root, uid, gid, *rest):
    files, program = rest[:rest.index("--")], rest[rest.index("--") + 1:]
    if root.isdigit():
        join(root)
    else:
        make(root, files)
    os.chdir("/")
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    os.setgroups([])
    os.setresgid(int(gid), int(gid), int(gid))
    os.setresuid(int(uid), int(uid), int(uid))
    must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.execv(program[0], program)


main(*sys.argv[1:])
