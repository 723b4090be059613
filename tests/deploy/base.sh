#!/bin/bash
# base.sh DEST: makes DEST.tar, a smallest Debian of this machine's release, that fetches packages as this machine does.
# Done once.
set -euo pipefail
dest=$(realpath -m "$1")
[ ! -s "$dest.tar" ] || exit 0

# What this machine fetches Debian from, as lines for a sources.list.
targets() {
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT) $(ORIGIN) $(CODENAME)' 'Created-By: Packages' |
        awk -v name="$1" '$3 == "main" && $4 == "Debian" && index($5, name) == 1 {print "deb", $1, $2, $3}' | sort -u
}

name=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
mkdir -p "$dest"
trap 'rm -rf "$dest" "$dest.part.tar"' EXIT
targets "$name" >"$dest/sources.list"
[ -s "$dest/sources.list" ] || { echo "base.sh: apt is configured with no mirror of Debian $name" >&2; exit 1; }
# How: proxies, times, whose certificates.
apt-config dump | grep '^Acquire::' | grep -v -e '^Acquire::\(CompressionTypes\|Languages\|Changelogs\|IndexTargets\)' >"$dest/acquire.conf" || true

hooks=(--customize-hook="copy-in $dest/acquire.conf /etc/apt" --customize-hook='mv "$1/etc/apt/acquire.conf" "$1/etc/apt/apt.conf.d/90acquire"')
for file in $(sed -n 's/^Acquire::[^ ]*::CaInfo "\(\/.*\)";/\1/p' "$dest/acquire.conf" | sort -u); do
    [ ! -e "$file" ] || hooks+=(--customize-hook="mkdir -p \"\$1$(dirname "$file")\"" --customize-hook="upload '$file' '$file'")
done
mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Acquire::Retries "3"' \
    "${hooks[@]}" "$name" "$dest.part.tar" "$dest/sources.list"
mv "$dest.part.tar" "$dest.tar"
