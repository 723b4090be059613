#!/bin/sh
# pages.sh BIN DEST: writes manual pages of the programs in BIN, from what they say to --help, and an example of the
# configuration with every option in it.
set -eu
bin=$1 dest=$2
here=$(dirname "$0")
mkdir -p "$dest/man1" "$dest/man3" "$dest/man5"
version=$("$bin/erlgate" version | sed 's/.* //')

# page TITLE ABOUT ALSO [VARIABLE]: of the help on standard input.
page() {
    awk -v title="$1" -v about="$2" -v also="$3" -v version="$version" -v "${4:-is_flat=}" -f "$here/page.awk" >"$dest/man1/$1.1"
}

# Each command with what it is for.
commands() {
    "$bin/erlgate" help | sed -n '/^Usage/,$s/^  \([a-z][a-z-]*\)  *\(.*\)/\1 \2/p' | grep -v -e '^help ' -e '^version ' -e '^erlgate '
}

pages=$(commands | sed 's/ .*//; s/^/erlgate-/; s/$/(1)/' | tr '\n' ',')
# (What is above the usage is what is said under NAME.)
"$bin/erlgate" help | sed '1,/^$/d' |
    page erlgate "a node of an Erlang cluster that speaks REST and JSON on its other side" "${pages}erlgate.yaml(5),erlgate-epmd(1)"
commands | while read -r command about; do
    "$bin/erlgate" "$command" --help | page "erlgate-$command" "$about" "erlgate(1),erlgate.yaml(5)"
done
"$bin/erlgate-epmd" --help |
    sed 's/^\(usage: \|       \)epmd/\1erlgate-epmd/; s/^\(Serving\|Examples\)$/\1:/
         s/^\(Asking the one that runs\) (\(.*\))$/\1:\n\2./; s/^Exit code: /Exit status:\n/' |
    page erlgate-epmd "a name server for Erlang nodes, in the place of epmd" "erlgate(1)" is_flat=1

"$bin/erlgate" serve --help | awk -v kind=page -v version="$version" -f "$here/options.awk" >"$dest/man5/erlgate.yaml.5"
"$bin/erlgate" serve --help | awk -v kind=example -f "$here/options.awk" >"$dest/erlgate.yaml"
sed "s/@VERSION@/$version/" "$here/liberlnode.3" >"$dest/man3/liberlnode.3"
gzip -9n "$dest"/man*/*
