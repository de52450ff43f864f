#!/usr/bin/env bash
# The whole gate: format, lints, tests, documentation, configurations, and a real demo run that is
# judged through its API. Exits 0 only when all of it is right.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOT'
Usage: scripts/test.sh [--fast]

Runs everything the project is judged by. Needs cargo (stable, with rustfmt and clippy), curl and
python3.
  --fast   leave out the mutants, the release build and the demo run
EOT
}

fast=false
case "${1:-}" in
  "") ;;
  --fast) fast=true ;;
  --help | -h)
    usage
    exit 0
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac

step() { printf '\n== %s\n' "$*"; }

for tool in cargo curl python3; do
  command -v "$tool" >/dev/null || {
    echo "missing: $tool; install it and run again" >&2
    exit 1
  }
done

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "tests"
cargo test --workspace --locked
# A test that passes says nothing, so what was left out is said here.
if [ ! -d ../shared/data ] || [ ! -d ../shared/reference ]; then
  echo "SKIPPED: tests on recorded data and reference vectors (../shared is not there)"
fi
python3 -c 'import ccxt' 2>/dev/null ||
  echo "SKIPPED: third-party clients against the simulated exchange (pip install ccxt)"
command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
  echo "SKIPPED: the store on PostgreSQL (apt-get install postgresql)"

if ! "$fast"; then
  step "mutants: bugs put in on purpose must be found"
  cargo test -p runtime --locked --features mutants --test swarm
fi

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

if ! "$fast"; then
  step "release build"
  cargo build --release --locked

  step "configurations"
  BINANCE_API_KEY=key BINANCE_API_SECRET=secret \
    target/release/trader check --config configs/config.yaml
  target/release/trader -config configs/demo.yaml -check

  step "demo, 20 seconds, judged through its API"
  scripts/demo_check.sh target/release/trader
fi

printf '\nall is well\n'
