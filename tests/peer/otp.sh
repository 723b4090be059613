#!/bin/bash
# otp.sh RELEASE DEST: puts a real Erlang/OTP of that release at DEST, so that DEST/bin/erl is a peer to test with.
#
# Debian has one OTP in each of its suites. The packages of the suite that has the wanted one are unpacked (not
# installed) at DEST together with the libraries they need, the suite's own libc among them; patchelf then makes the
# programs use those. DEST is written into them, so it cannot be moved afterwards. Done once: a DEST that is complete
# is left as it is. Packages come from the mirror that apt is configured with.
set -euo pipefail

release=$1
dest=$(realpath -m "$2")

extra=
case $release in
    23) suite=bullseye ;;
    25) suite=bookworm ;;
    27) suite=trixie ;;
    29) suite=forky extra="erlang-cowboy erlang-cowlib erlang-ranch" ;; # what bench/http compares with
    *) echo "otp.sh: no Debian suite is known for OTP $release" >&2; exit 2 ;;
esac

done_mark="OTP $release${extra:+ with $extra} at $dest"
[ "$(cat "$dest/.complete" 2>/dev/null)" != "$done_mark" ] || exit 0
echo "otp: fetching Erlang/OTP $release (Debian $suite) into $dest"

# The site that has Debian itself, not its security updates.
mirror() {
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 !~ /-security|\/updates/ && $3 == "main" && $1 ~ /debian\/?$/ {print $1; exit}'
}

retry() {
    local try
    for try in 1 2 3 4; do
        "$@" && return
        echo "otp: '$1' failed (attempt $try of 4)" >&2
        sleep $((try * 2))
    done
    return 1
}

site=$(mirror)
[ -n "$site" ] || { echo "otp.sh: apt is configured with no Debian mirror" >&2; exit 1; }

# An apt of its own: its lists and its idea of what is installed (nothing) are not the machine's.
apt=$dest.apt
rm -rf "$dest" "$apt"
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt"/{lists/partial,cache/archives/partial,debs} "$dest"/{bin,usr/lib,usr/lib64}
: >"$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main" >"$apt/sources.list"
own=(-o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State=$apt"
     -o "Dir::State::Lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
     -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false -o Acquire::Retries=3
     -o APT::Update::Error-Mode=any -o "APT::Sandbox::User=$(id -un)")
retry apt-get -qq "${own[@]}" update

# What Erlang needs, and what that needs, as far as it is a library. (systemd's is for Debian's epmd alone.)
wanted="erlang-base erlang-crypto erlang-asn1 erlang-public-key erlang-ssl $extra"
todo=$wanted
while [ -n "$todo" ]; do
    found=$(apt-cache "${own[@]}" depends --important $todo |
            sed -n 's/^[ |]*\(Pre\)\{0,1\}Depends: \(lib[a-z0-9.+-]*\|zlib1g\)$/\2/p' | sort -u)
    todo=
    for package in $found; do
        case " $wanted " in
            *" $package "*) ;;
            *) case $package in libsystemd*) ;; *) wanted="$wanted $package" todo="$todo $package" ;; esac ;;
        esac
    done
done
cd "$apt/debs"
retry apt-get -qq "${own[@]}" download $wanted

ln -s usr/lib "$dest/lib"
ln -s usr/lib64 "$dest/lib64"
for deb in *.deb; do
    dpkg-deb --fsys-tarfile "$deb" |
        tar -x --keep-directory-symlink --no-same-owner -C "$dest" \
            --exclude=./usr/share --exclude='*/gconv/*' --exclude='*/src/*' --exclude='*/systemd/*'
done
cd /

root=$dest/usr/lib/erlang
bin=$(echo "$root"/erts-*/bin)
lib=$(dirname "$(echo "$dest"/usr/lib/*-linux-gnu*/libc.so.6)")
for program in "$bin"/*; do
    [ ! -L "$program" ] || continue
    loader=$(patchelf --print-interpreter "$program" 2>/dev/null) || continue
    patchelf --set-interpreter "$lib/$(basename "$loader")" --force-rpath --set-rpath "$lib" "$program"
done
find "$root/lib" -name '*.so' -exec patchelf --force-rpath --set-rpath "$lib" {} +

cat >"$dest/bin/erl" <<X
#!/bin/sh
ROOTDIR=$root BINDIR=$bin EMU=beam PROGNAME=erl
export ROOTDIR BINDIR EMU PROGNAME
exec "$bin/erlexec" "\$@"
X
chmod 755 "$dest/bin/erl"

got=$("$dest/bin/erl" -noshell -boot start_clean -eval 'io:put_chars(erlang:system_info(otp_release)), halt().')
if [ "$got" != "$release" ]; then
    echo "otp.sh: Debian $suite has OTP '$got', not $release" >&2
    exit 1
fi
echo "$done_mark" >"$dest/.complete"
