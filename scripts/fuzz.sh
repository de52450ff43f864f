#!/usr/bin/env bash
# Fuzzes everything that reads bytes of strangers. See CONTRIBUTING.md, "Fuzzing".
set -Eeuo pipefail

usage() {
    cat <<'HELP'
Usage: scripts/fuzz.sh [--runs N | --seconds N] [--merge] [TARGET...]
       scripts/fuzz.sh --corpus

Runs each target (all of them by default) under the fuzzer and says how often it ran. Ends with 1
when one fails; the input that did it is in target/fuzz/failed/TARGET/, and runs again with
target/fuzz/bin/TARGET FILE.

  --runs N      executions of each target (1,000,000)
  --seconds N   time for each target instead
  --merge       afterwards, keep in fuzz/corpus/ the smallest set of inputs that reaches as much
  --corpus      no fuzzing: every kept input through its target, as a plain test
  --help        this

Needs cargo-fuzz (cargo install cargo-fuzz) and a C++ compiler; --corpus needs neither.

Examples:
  scripts/fuzz.sh --seconds 60 market_frame user_event
  scripts/fuzz.sh --runs 10000000 server_text
HELP
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# A capture or a journal is written for every execution: not to a disk.
[[ -n ${TMPDIR:-} || ! -d /dev/shm ]] || export TMPDIR=/dev/shm
work=$PWD/target/fuzz
limit=(-runs=1000000)
# The corpus holds nothing longer: longer inputs are slower, and find little more.
longest=4096
merge=false

die() {
    printf 'fuzz.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

number() {
    [[ ${1:-} =~ ^[1-9][0-9]*$ ]] || die "'${1:-}' is not a positive number" 2
}

targets=()
while (($# > 0)); do
    case $1 in
    --runs)
        number "${2:-}"
        limit=("-runs=$2")
        shift
        ;;
    --seconds)
        number "${2:-}"
        limit=("-max_total_time=$2")
        shift
        ;;
    --merge) merge=true ;;
    --corpus) exec cargo test --locked --manifest-path fuzz/Cargo.toml --target-dir target ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*)
        usage >&2
        die "unknown option $1" 2
        ;;
    *) targets+=("$1") ;;
    esac
    shift
done

known=(fuzz/targets/*.rs)
known=("${known[@]##*/}")
known=("${known[@]%.rs}")
((${#targets[@]} > 0)) || targets=("${known[@]}")
for target in "${targets[@]}"; do
    [[ -f fuzz/targets/$target.rs ]] || die "no target '$target'; there are: ${known[*]}" 2
done
command -v cargo-fuzz >/dev/null || die 'cargo-fuzz is missing: cargo install cargo-fuzz'

# The stable compiler has no address sanitizer. There is no unsafe code to need one: what is looked
# for are panics, overflows, broken promises, and inputs that take too long or too much.
(cd fuzz && cargo fuzz build --sanitizer none --features libfuzzer --target-dir "$work") ||
    die 'the targets do not build'
mkdir -p "$work/bin"
for target in "${targets[@]}"; do
    # A copy, so that a build meanwhile does not pull it away.
    cp "$work"/*/release/"$target" "$work/bin/"
done

# Runs a target over its corpus and what was found before.
run() {
    local target=$1
    mkdir -p "$work/found/$target" "$work/failed/$target"
    "$work/bin/$target" "${limit[@]}" -max_len="$longest" -timeout=10 -rss_limit_mb=2500 \
        -dict=fuzz/dictionary.txt -artifact_prefix="$work/failed/$target/" \
        -print_final_stats=1 "$work/found/$target" "fuzz/corpus/$target" \
        >"$work/$target.log" 2>&1
}

# Replaces a target's corpus by the smallest set that reaches as much.
minimize() {
    local target=$1 kept=$work/kept/$1
    rm -rf -- "$kept"
    mkdir -p "$kept"
    "$work/bin/$target" -set_cover_merge=1 -use_counters=0 -max_len="$longest" -timeout=10 -rss_limit_mb=2500 \
        "$kept" "fuzz/corpus/$target" "$work/found/$target" >"$work/$target.merge.log" 2>&1 ||
        die "$target: cannot merge, see $work/$target.merge.log"
    rm -f -- "fuzz/corpus/$target"/*
    cp -- "$kept"/* "fuzz/corpus/$target/"
}

sum=0 failed=()
printf '%-16s %14s %10s\n' target executions 'a second'
for target in "${targets[@]}"; do
    verdict=
    run "$target" || verdict="FAILED, see $work/$target.log"
    stat() { sed -n "s/^stat::$1: *//p" "$work/$target.log"; }
    executions=$(stat number_of_executed_units)
    printf '%-16s %14d %10d %s\n' \
        "$target" "${executions:-0}" "$(stat average_exec_per_sec)" "$verdict"
    sum=$((sum + ${executions:-0}))
    [[ -z $verdict ]] || failed+=("$target")
done
printf '%-16s %14d\n' all "$sum"

if "$merge"; then
    for target in "${targets[@]}"; do
        minimize "$target"
    done
    printf 'fuzz/corpus: %s\n' "$(du -sh --apparent-size fuzz/corpus | cut -f 1)"
fi
((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
