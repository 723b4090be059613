#!/bin/sh
# image-root.sh DEST PROGRAM…: lays out at DEST the root of a file system in which these programs run and nothing else
# is: their libraries, a user who is not root, CAs, where names are looked up.
#
# What came out of a Debian package is recorded in /var/lib/dpkg/status.d, where scanners look for it, with its licence.
set -eu
dest=$1
shift

mkdir -p "$dest/usr/bin" "$dest/usr/lib" "$dest/usr/lib64" "$dest/etc/ssl/certs" "$dest/home/erlgate" \
    "$dest/var/lib/dpkg/status.d"
ln -s usr/bin "$dest/bin"
ln -s usr/lib "$dest/lib"
ln -s usr/lib64 "$dest/lib64"

# package_of FILE: the Debian package that brought it, by either name that a merged /usr gives it.
package_of() {
    dpkg-query -S "$1" "${1#/usr}" "/usr$1" 2>/dev/null | sed -n '1s/: .*//p' || true
}

# keep FILE: to the same place below DEST, and whose it is.
keep() {
    mkdir -p "$dest$(dirname "$1")"
    cp -L "$1" "$dest$1"
    package=$(package_of "$1")
    [ -n "$package" ] || package=$(package_of "$(realpath "$1")")
    [ -n "$package" ] || return 0
    name=${package%%:*}
    [ ! -e "$dest/var/lib/dpkg/status.d/$name" ] || return 0
    dpkg-query -s "$package" >"$dest/var/lib/dpkg/status.d/$name"
    mkdir -p "$dest/usr/share/doc/$name"
    cp -L "/usr/share/doc/$name/copyright" "$dest/usr/share/doc/$name/"
}

for program in "$@"; do
    cp "$program" "$dest/usr/bin/"
    ldd "$program" >/tmp/libraries
    if grep -q 'not found' /tmp/libraries; then
        cat /tmp/libraries >&2
        exit 1
    fi
    for library in $(sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p' /tmp/libraries); do
        [ -e "$dest$library" ] || keep "$library"
    done
done
# A libc before 2.34 loads what asks the name servers at run time.
libc=$(sed -n 's/.*=> \(\/.*\)\/libc\.so\.6 .*/\1/p' /tmp/libraries)
for library in "$libc/libnss_files.so.2" "$libc/libnss_dns.so.2"; do
    [ ! -e "$library" ] || keep "$library"
done

keep /etc/ssl/certs/ca-certificates.crt
echo 'hosts: files dns' >"$dest/etc/nsswitch.conf"
echo 'erlgate:x:65532:65532:erlgate:/home/erlgate:/nonexistent' >"$dest/etc/passwd"
echo 'erlgate:x:65532:' >"$dest/etc/group"
# Nothing can be written, whoever asks.
find "$dest" -type d -exec chmod 555 {} +
find "$dest" -type f -exec chmod a-w {} +
rm -f /tmp/libraries

du -sk "$dest" | sed 's/\t.*/ kB in all/'
