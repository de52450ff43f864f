#!/usr/bin/env bash
# Runs the demo for 20 seconds in a scratch folder and judges it as an operator would: health, live
# book, our quotes in it, every contracted metric, control with and without the token, Ctrl-C, no
# order left, and a replay of its journal that is identical.
set -Eeuo pipefail

usage() {
  echo "Usage: scripts/demo_check.sh [TRADER]   (default: target/release/trader)"
}
case "${1:-}" in
  --help | -h)
    usage
    exit 0
    ;;
esac

trader=$(realpath "${1:-target/release/trader}")
scratch=$(mktemp -d)
pid=
cleanup() {
  if [ -n "$pid" ]; then kill -9 "$pid" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap cleanup EXIT
cd "$scratch"

fail() {
  echo "FAILED: $*" >&2
  echo "--- output" >&2
  cat out.txt err.txt >&2 || true
  exit 1
}

# Free ports, so that a trader or Prometheus on this machine is left alone.
read -r api metrics < <(python3 - <<'PY'
import socket
held = [socket.socket() for _ in range(2)]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))
PY
)
"$trader" --set "api.listen=127.0.0.1:$api" --set "monitoring.prometheus_port=$metrics" \
  >out.txt 2>err.txt &
pid=$!

# The address is printed within a second of starting.
for _ in $(seq 100); do
  grep -q "http://127.0.0.1:$api/" out.txt && break
  kill -0 "$pid" 2>/dev/null || fail "the demo ended at once"
  sleep 0.05
done
grep -q "http://127.0.0.1:$api/" out.txt || fail "no line with the console's address"

cat >judge.py <<'PY'
import json, re, sys, time, urllib.error, urllib.request

api, metrics = (f"http://127.0.0.1:{port}" for port in sys.argv[1:3])
token = open("data/api.token").read().strip()

def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status, answer.read().decode()

def post(path, with_token=True):
    request = urllib.request.Request(api + path, data=b"{}", method="POST")
    request.add_header("Content-Type", "application/json")
    if with_token:
        request.add_header("Authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code

def check(what, truth):
    print(("ok      " if truth else "WRONG   ") + what, flush=True)
    if not truth:
        sys.exit(1)

def until(what, seconds, truth):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if truth():
                return check(what, True)
        except (urllib.error.URLError, KeyError, IndexError, TypeError):
            pass
        time.sleep(0.2)
    check(what, False)

def orders():
    return json.loads(get(api + "/api/orders")[1])["orders"]

def value(text, name):
    found = re.search(rf'^{name}\{{symbol="ETHUSDC"\}} (\S+)$', text, re.M)
    check(f"metric {name} is there", found is not None)
    return float(found.group(1))

started = time.monotonic()
until("healthy", 10, lambda: get(api + "/health")[0] == 200)
check("console is one page, nothing from elsewhere",
      "<canvas" in get(api + "/")[1] and "https://" not in get(api + "/")[1])
until("our bid and ask rest", 30, lambda: {o["side"] for o in orders()} == {"buy", "sell"})
first = json.loads(get(api + "/api/status")[1])
check("the book has 20 levels a side", json.dumps(first).count('"qty"') >= 40
      or json.dumps(first).count("[") > 40)
check("risk status names its limits", "daily_loss_limit" in get(api + "/api/risk/status")[1])
check("POST without a token is refused", post("/api/control/pause", False) == 401)
check("pause is accepted", post("/api/control/pause") in (200, 202))
until("paused: no order rests", 5, lambda: orders() == [])
check("resume is accepted", post("/api/control/resume") in (200, 202))
until("resumed: quoting again", 5, lambda: len(orders()) >= 2)
while time.monotonic() - started < 20:
    time.sleep(0.2)
text = get(metrics + "/metrics")[1]
check("the same metrics on both ports", set(re.findall(r"^# TYPE (\S+)", text, re.M))
      == set(re.findall(r"^# TYPE (\S+)", get(api + "/metrics")[1], re.M)))
total, realized, unrealized = (value(text, name) for name in
                               ("trading_pnl_total", "realized_pnl", "unrealized_pnl"))
check("trading_pnl_total = realized_pnl + unrealized_pnl", abs(total - realized - unrealized) < 1e-9)
check("max_inventory is the configured one", value(text, "max_inventory") == 0.5)
check("position within it", abs(value(text, "current_position")) <= 0.5)
check("risk level 1 to 4", value(text, "risk_level") in (1, 2, 3, 4))
check("orders were acknowledged", value(text, "order_latency_histogram_count") > 0)
pnl = json.loads(get(api + "/api/pnl")[1])
check("the PnL has a history", len(json.dumps(pnl)) > 200)
PY
python3 judge.py "$api" "$metrics" || fail "see above"

kill -INT "$pid"
code=0
wait "$pid" || code=$?
pid=
[ "$code" -eq 0 ] || fail "exit code $code after Ctrl-C"
grep -q "no order left" out.txt || fail "the summary does not say that no order is left"
journal=$(find data/journal -mindepth 1 -maxdepth 1 -type d)
"$trader" replay "$journal" --verify || fail "the replay differs"
cat out.txt
