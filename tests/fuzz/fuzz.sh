#!/bin/sh
# fuzz.sh TARGET CORPUS BUILD: runs one fuzz target. ERLGATE_FUZZ_RUNS inputs, or, when that is not set, for
# ERLGATE_FUZZ_SECONDS (20). What it learns goes to BUILD/corpus/NAME, what breaks it to BUILD/artifacts/; an input that
# takes longer than ERLGATE_FUZZ_TIMEOUT seconds (10) does.
set -eu
target=$1 corpus=$2 build=$3
name=${target##*/fuzz_}
learnt=$build/corpus/$name
mkdir -p "$learnt" "$build/artifacts"

if [ -n "${ERLGATE_FUZZ_RUNS:-}" ]; then
    limit=-runs=$ERLGATE_FUZZ_RUNS
else
    limit=-max_total_time=${ERLGATE_FUZZ_SECONDS:-20}
fi
# (-entropic weighs inputs, at a third of the time of the short ones.)
# Freed memory is kept back for so long that use of it is seen, and not for so long that it is all there is.
ASAN_OPTIONS=quarantine_size_mb=32:allocator_release_to_os_interval_ms=-1${ASAN_OPTIONS:+:$ASAN_OPTIONS}
export ASAN_OPTIONS
exec "$target" "$limit" -timeout="${ERLGATE_FUZZ_TIMEOUT:-10}" -rss_limit_mb=512 -entropic=0 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$build/artifacts/$name-" "$learnt" "$corpus"
