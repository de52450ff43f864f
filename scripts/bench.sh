#!/usr/bin/env bash
# Measures the trading path. See docs/PERFORMANCE.md for how to read the figures.
set -Eeuo pipefail

usage() {
    cat <<'HELP'
Usage: scripts/bench.sh [--parts [FILTER] | --latency [ARG...] | --instructions [SCENARIO...] |
                         --frames [FILE] [ARG...] | --wire [FILE] [ARG...] |
                         --start-up [RUNS] | --memory [SECONDS]]

Without options: parts, latency, instructions and start-up, one after the other.

  --parts [FILTER]             how long the parts of a turn take (benches/turn.rs)
  --latency [ARG...]           distribution of step times over the demo market, and
                               allocations; ARG: --minutes N, --seed N (benches/latency.rs)
  --instructions [SCENARIO...] instructions per step, counted by valgrind: equal on every
                               run, however busy the machine; SCENARIO: diff ticker trade
                               timer amend journaled-diff
  --frames [FILE] [ARG...]     from a recorded depth frame in hand to the signed orders, and
                               what serde_json and BTreeMap need for the frame alone; ARG:
                               --rounds N, --only depth|journal|recorded|ordinary, --cold
                               (benches/frames.rs)
  --wire [FILE] [ARG...]       from a depth frame on a socket to the order on another, live
                               driver and echoes; ARG: --frames N, --pause MICROSECONDS
                               (benches/wire_latency.rs)
  --start-up [RUNS]            time from starting the demo to its first order (5 runs)
  --memory [SECONDS]           resident memory of the demo, every minute (600 seconds)
  --help                       this

FILE is a capture of BTCUSDT, plain lines of `<nanoseconds> <frame>` in gzip; without one,
../shared/data/binance-usdm/btcusdt_20240808.gz.

Examples:
  scripts/bench.sh
  scripts/bench.sh --parts book
  scripts/bench.sh --latency --minutes 60 --seed 7
  scripts/bench.sh --instructions diff ticker
  scripts/bench.sh --frames --rounds 3 --only depth
HELP
}

called_from=$PWD
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$root"

# Two lengths of the same run: what start-up costs is in both and cancels.
short=1000
long=3000
scenarios=(diff ticker trade timer amend journaled-diff)

die() {
    printf 'bench.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

parts() {
    cargo bench --quiet -p runtime --bench turn -- "$@"
}

latency() {
    cargo bench --quiet -p runtime --bench latency -- "$@"
}

# A benchmark that plays a recording: FILE, if any, is meant from where the caller stands.
recorded() {
    local bench=$1
    shift
    if (($# > 0)) && [[ $1 != -* ]]; then
        local file=$1
        [[ $file == /* ]] || file=$called_from/$file
        [[ -r $file ]] || die "no such recording: $file"
        shift
        set -- "$file" "$@"
    fi
    cargo bench --quiet -p runtime --bench "$bench" -- "$@"
}

# The path of the built latency benchmark.
latency_binary() {
    local listed
    listed=$(cargo bench -p runtime --bench latency --no-run 2>&1) || die "$listed"
    sed -n 's/^ *Executable .*(\(.*\))$/\1/p' <<<"$listed"
}

# Instructions of a whole run.
count() {
    local binary=$1 scenario=$2 steps=$3 log
    log=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        "$binary" --instructions "$scenario" --steps "$steps" 2>&1) || die "$log"
    sed -n 's/^==[0-9]*== Collected : \([0-9]*\)$/\1/p' <<<"$log"
}

instructions() {
    command -v valgrind >/dev/null ||
        die 'valgrind is needed to count instructions: apt-get install valgrind'
    local binary scenario first second
    binary=$(latency_binary)
    [[ -x $binary ]] || die "no benchmark was built: '$binary'"
    printf '%-16s %s\n' scenario 'instructions per step'
    for scenario in "$@"; do
        first=$(count "$binary" "$scenario" "$short")
        second=$(count "$binary" "$scenario" "$long")
        [[ $first && $second ]] || die "valgrind counted nothing for $scenario"
        printf '%-16s %10d\n' "$scenario" "$(((second - first) / (long - short)))"
    done
}

# Runs the demo for so many seconds in a directory of its own, on free ports, in the background.
demo=
scratch=
trap 'stop_demo' EXIT

start_demo() {
    local trader=$root/target/release/trader
    scratch=$(mktemp -d)
    (cd -- "$scratch" && exec "$trader" --speed 1 --for "${1}s" \
        --set api.listen=127.0.0.1:0 --set monitoring.prometheus_port=0) \
        >"$scratch/out" 2>"$scratch/err" &
    demo=$!
}

stop_demo() {
    if [[ $demo ]]; then
        kill "$demo" 2>/dev/null || true
        wait "$demo" 2>/dev/null || true
    fi
    [[ -z $scratch ]] || rm -rf -- "$scratch"
    demo='' scratch=''
}

milliseconds() {
    date +%s%3N
}

# One run: asks for the orders until there is one, and prints the time at which it was sent.
start_up_once() {
    local begun address='' sent=''
    begun=$(milliseconds)
    start_demo 20
    until [[ $sent ]]; do
        kill -0 "$demo" 2>/dev/null || die "the demo ended: $(cat -- "$scratch/err")"
        [[ $address ]] || address=$(sed -n 's|^console: \(http://[^/]*\)/.*|\1|p' "$scratch/out")
        if [[ $address ]]; then
            sent=$(curl -sf "$address/api/orders" | grep -o '"created_ms":[0-9]*' |
                head -n 1 | cut -d: -f2) || sent=''
        fi
        sleep 0.02
    done
    printf ' %d' "$((sent - begun))"
    stop_demo
}

start_up() {
    cargo build --quiet --release -p trader
    local run
    printf 'first order sent, ms after the start:'
    for ((run = 0; run < ${1:-5}; run++)); do
        start_up_once
    done
    printf '\n'
}

memory() {
    cargo build --quiet --release -p trader
    local seconds=${1:-600} passed=0
    start_demo "$((seconds + 5))"
    printf 'seconds  VmRSS\n'
    while ((passed < seconds)); do
        local nap=$((seconds - passed < 60 ? seconds - passed : 60))
        sleep "$nap"
        ((passed += nap))
        printf '%7d  %s\n' "$passed" "$(sed -n 's/^VmRSS:[[:space:]]*//p' "/proc/$demo/status")"
    done
    stop_demo
}

case ${1:-} in
-h | --help)
    usage
    ;;
--parts)
    parts "${@:2}"
    ;;
--latency)
    latency "${@:2}"
    ;;
--instructions)
    shift
    (($# > 0)) || set -- "${scenarios[@]}"
    instructions "$@"
    ;;
--frames)
    recorded frames "${@:2}"
    ;;
--wire)
    recorded wire_latency "${@:2}"
    ;;
--start-up)
    start_up "${2:-}"
    ;;
--memory)
    memory "${2:-}"
    ;;
'')
    parts
    latency
    if command -v valgrind >/dev/null; then
        instructions "${scenarios[@]}"
    else
        printf '\ninstructions per step: not counted, there is no valgrind\n'
    fi
    start_up
    printf '\n%s\n' 'Figures that are worth keeping go to docs/PERFORMANCE.md, with machine and commit:'
    printf '  %s, %s\n' "$(git rev-parse --short HEAD 2>/dev/null || printf 'no commit')" \
        "$(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(uname -sr)"
    ;;
*)
    usage >&2
    die "unknown option $1" 2
    ;;
esac
