const $ = id => document.getElementById(id);
const store = (area, key, value) => {
  try { return value === undefined ? area.getItem(key) : value === null ? area.removeItem(key) : area.setItem(key, value); } catch { return null; }
};
let lang = store(localStorage, "lang") || (navigator.language.startsWith("zh") ? "zh" : "en");
const t = (key, ...args) => { const text = TEXT[lang][key] ?? TEXT.en[key] ?? key; return typeof text === "function" ? text(...args) : text; };
const named = name => NAMES[lang][name] ?? (name || "").replaceAll("_", " ");

// ---- token: from the link (#token=…), kept for this tab only --------------------------------
let token = store(sessionStorage, "token");
{
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    token = found;
    store(sessionStorage, "token", token);
    history.replaceState(null, "", location.pathname + location.search);
  }
}
const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

// ---- state -----------------------------------------------------------------------------------
const STALE_MS = 3000;
const S = { status: null, at: -1e9, link: "connecting", desk: 0, fills: [], seen: new Set(), alerts: [], points: [], minutes: 60, hover: null, fresh: new Set(), health: null };
const desk = () => S.status?.desks[Math.min(S.desk, S.status.desks.length - 1)];

// ---- small helpers ---------------------------------------------------------------------------
const el = (tag, cls, text) => { const e = document.createElement(tag); if (cls) e.className = cls; if (text !== undefined) e.textContent = text; return e; };
const put = (id, text, cls) => { const e = $(id); if (e.textContent !== text) e.textContent = text; if (cls !== undefined && e.className !== cls) e.className = cls; };
const tone = v => (Number(v) > 0 ? "up" : Number(v) < 0 ? "down" : "");
const signed = (v, digits) => { const n = Number(v); return (n > 0 ? "+" : n < 0 ? "−" : "") + group(Math.abs(n), digits); };
const group = (v, digits) => Number(v).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const places = step => (String(step).split(".")[1] || "").length;
const money = v => signed(v, Math.abs(Number(v)) < 1 && Number(v) !== 0 ? 4 : 2);
const clock = (ms, millis) => { const iso = new Date(ms).toISOString(); return millis ? iso.slice(11, 23) : iso.slice(11, 19); };
const span = ms => { const s = Math.max(0, Math.round(ms / 1000)); return s < 60 ? `${s}s` : s < 3600 ? `${Math.floor(s / 60)}m ${s % 60}s` : s < 86400 ? `${Math.floor(s / 3600)}h ${Math.floor(s % 3600 / 60)}m` : `${Math.floor(s / 86400)}d ${Math.floor(s % 86400 / 3600)}h`; };
const percent = (a, b) => (b > 0 ? `${(100 * a / b).toFixed(a === b ? 0 : 1)}%` : "–");
const kpi = (id, text, unit, cls) => { const e = $(id), key = text + unit + cls; if (e.dataset.key === key) return; e.dataset.key = key; e.className = cls || ""; e.textContent = text; if (unit) e.append(el("small", "", unit)); };
const toast = (text, bad) => { const e = el("div", bad ? "bad" : "", text); $("toasts").append(e); setTimeout(() => e.remove(), bad ? 9000 : 4000); };

// ---- connection: the stream is read with fetch, which unlike EventSource can carry the token ---
async function connect() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 5000)) {
    try {
      S.link = "connecting";
      const answer = await fetch("api/stream", { headers: headers(), cache: "no-store" });
      if (answer.status === 401) {
        if (!(await askToken(t(token ? "tokenWrong" : "tokenNeeded")))) await new Promise(done => setTimeout(done, 10000));
        continue;
      }
      if (!answer.ok) throw new Error(answer.status);
      S.fills = []; S.seen.clear(); S.alerts = []; S.fresh.clear();
      loadHistory(); health(); renderFills(); renderAlerts();
      wait = 500;
      await readEvents(answer.body.getReader());
    } catch { /* the connection is gone: shown, and tried again */ }
    S.link = "down"; renderLink();
    await new Promise(done => setTimeout(done, wait));
  }
}

async function readEvents(reader) {
  const decoder = new TextDecoder();
  let buffer = "";
  for (;;) {
    // Nothing at all for long means a dead connection that nobody closed.
    let timer;
    const silence = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error("silent")), 10000); });
    const { done, value } = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer)).catch(e => { reader.cancel().catch(() => {}); throw e; });
    if (done) return;
    buffer += decoder.decode(value, { stream: true });
    for (let end; (end = buffer.indexOf("\n\n")) >= 0; buffer = buffer.slice(end + 2)) {
      let name = "message", data = "";
      for (const line of buffer.slice(0, end).split("\n")) {
        if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) data += line.slice(5).trimStart();
      }
      if (data) handle(name, JSON.parse(data));
    }
  }
}

function handle(name, data) {
  S.link = "live";
  if (name === "status") { if (data) { S.status = data; S.at = performance.now() - data.age_ms; track(data); schedule(); } }
  else if (name === "fills") {
    const first = S.fills.length === 0;
    for (const fill of data) {
      const key = `${fill.symbol} ${fill.trade_id}`;
      if (S.seen.has(key)) continue;
      S.seen.add(key); S.fills.unshift(fill);
      if (!first) S.fresh.add(key);
    }
    S.fills.length = Math.min(S.fills.length, 200);
    renderFills();
  } else if (name === "alerts") {
    S.alerts.unshift(...data.reverse()); S.alerts.length = Math.min(S.alerts.length, 200);
    renderAlerts();
  }
}

async function loadHistory() {
  try {
    const answer = await fetch(`api/pnl?points=2000&minutes=240`, { headers: headers(), cache: "no-store" });
    if (!answer.ok) return;
    const { history } = await answer.json();
    const last = history.length ? history[history.length - 1].ms : 0;
    const newer = S.points.filter(p => p.ms > last);
    S.points = history.map(p => ({ ms: p.ms, total: +p.total, realized: +p.realized, unrealized: +p.unrealized })).concat(newer);
    drawChart();
  } catch { /* shown by the link state */ }
}

function track(status) {
  const last = S.points[S.points.length - 1];
  if (last && status.now_ms < last.ms) S.points = [];
  if (last && status.now_ms - last.ms < 1000) return;
  S.points.push({ ms: status.now_ms, total: +status.pnl.total, realized: +status.pnl.realized, unrealized: +status.pnl.unrealized });
  const oldest = status.now_ms - 240 * 60000;
  while (S.points.length > 16000 || S.points[0].ms < oldest) S.points.shift();
}

async function health() {
  try {
    const answer = await fetch("health", { headers: headers(), cache: "no-store" });
    const body = await answer.json();
    if (!body.checks) throw new Error(body.error);
    S.health = { ok: answer.status === 200, reasons: body.reasons };
  } catch { S.health = null; }
  renderHealth();
}

// ---- rendering -------------------------------------------------------------------------------
let scheduled = false;
function schedule() { if (!scheduled) { scheduled = true; requestAnimationFrame(() => { scheduled = false; render(); }); } }

function render() {
  renderLink();
  const status = S.status, d = desk();
  if (!status || !d) return;
  renderHeader(status); renderKpis(status, d); renderLadder(d); renderPosition(d); renderRisk(status, d); renderOrders(status, d); renderFoot(status, d);
  drawChart();
}

function renderLink() {
  const age = performance.now() - S.at, stale = S.link !== "live" || age > STALE_MS;
  document.body.classList.toggle("stale", stale);
  const link = $("link"); link.dataset.state = S.link === "live" ? (stale ? "connecting" : "live") : S.link;
  link.lastElementChild.textContent = S.link === "live" ? t(!S.status ? "noData" : stale ? "silent" : "live") : t(S.link === "down" ? "disconnected" : "connecting");
  const banner = $("banner"), seconds = Math.round(age / 1000);
  if (!stale) banner.className = "";
  else if (!S.status) { banner.className = "warn"; banner.textContent = t("waitingBanner"); }
  else { banner.className = "bad"; banner.textContent = S.link === "live" ? t("frozenBanner", seconds) : t("staleBanner", seconds); }
  // Halt and flatten stay: they may get through when the stream does not.
  if (S.link !== "live") for (const id of ["pause", "resume", "reset"]) $(id).disabled = true;
}

// A halt or pause by an operator is no fault, but "healthy" alone beside it would read as if all went on.
function renderHealth() {
  const e = $("health"), { health, status } = S, stopped = status?.reasons.includes("operator_halt") ? "byOperator" : status?.paused ? "byPause" : "";
  const text = !health ? t("unknown") : !health.ok ? t("unhealthy") : t("healthy") + (stopped && ` (${t(stopped)})`);
  put("health", text); e.dataset.tone = !health || (health.ok && stopped) ? "off" : health.ok ? "good" : "bad"; e.title = health ? health.reasons.join("\n") : "";
}

function renderHeader(status) {
  renderHealth();
  const mode = $("mode"), shown = status.paused && status.mode === "halted" && !status.halted ? "paused" : status.mode;
  mode.textContent = named(shown); mode.dataset.tone = shown === "quoting" ? "good" : shown === "halted" ? "bad" : "warn";
  mode.title = status.reasons.map(named).join("\n");
  put("clock", `${clock(status.now_ms)} UTC`);
  $("pause").disabled = status.paused || status.halted;
  $("resume").disabled = !status.paused && !status.halted;
  $("resume").classList.toggle("good", status.paused || status.halted);
  $("reset").disabled = status.risk.breaker.state === "closed"; $("reset").hidden = $("reset").disabled;
  const tabs = $("desks"), symbols = status.desks.map(d => d.symbol), key = symbols.join() + S.desk;
  if (tabs.dataset.key !== key) {
    tabs.dataset.key = key;
    tabs.replaceChildren(...symbols.map((symbol, i) => { const b = el("button", i === S.desk ? "on" : "", symbol); b.onclick = () => { S.desk = i; render(); renderFills(); }; return b; }));
  }
  document.title = `${signed(status.pnl.total, 2)} · ${symbols[S.desk] ?? ""} · trader`;
}

function renderKpis(status, d) {
  const p = status.pnl, q = d.quotes, c = d.counters, unit = d.quote;
  kpi("k-total", money(p.total), unit, tone(p.total)); kpi("k-day", money(p.day), "", tone(p.day));
  kpi("k-realized", money(p.realized), "", tone(p.realized)); kpi("k-unrealized", money(p.unrealized), "", tone(p.unrealized));
  kpi("k-fees", money(-p.fees), "", tone(-p.fees)); kpi("k-equity", group(p.equity, 2), unit, "");
  kpi("k-spread", d.book.spread ?? "–", d.book.spread_bps === null ? "" : `${d.book.spread_bps.toFixed(2)} bp`, "");
  kpi("k-ours", q.spread ?? "–", q.spread && q.mid ? `${(Number(q.spread) / q.mid * 1e4).toFixed(1)} bp` : "", "");
  kpi("k-sigma", q.warm ? (q.sigma * 1e4).toFixed(2) : "–", "bp/√s", "");
  kpi("k-fill", percent(c.orders_filled, c.accepted), "", ""); kpi("k-success", percent(c.accepted, c.accepted + c.rejected), "", c.rejected > 0 && c.accepted / (c.accepted + c.rejected) < .95 ? "down" : "");
}

// The ladder: market levels and our own quotes in one price order. Ours are always shown: beyond the
// visible levels they stand behind a gap that tells how far away they are.
function side(d, name, rows) {
  const ask = name === "asks", unit = places(d.tick), tick = Number(d.tick), market = d.book[name].slice(0, rows);
  const own = new Map();
  for (const [price, qty] of d.quotes[name]) own.set(price, { qty, live: false });
  for (const o of d.orders) if (o.side === (ask ? "sell" : "buy")) own.set(o.price, { qty: group(Number(o.qty) - Number(o.filled), places(d.step)), live: o.state !== "pending_new" });
  let sum = 0;
  const out = market.map(([price, qty]) => { sum += Number(qty); return { price, qty, sum, own: own.get(price) }; });
  const listed = new Set(market.map(l => l[0]));
  const worst = market.length ? Number(market[market.length - 1][0]) : null;
  const better = (a, b) => (ask ? a < b : a > b);
  const extra = [...own].filter(([price]) => !listed.has(price)).map(([price, o]) => ({ price, own: o, out: true }));
  const inside = extra.filter(r => worst === null || better(Number(r.price), worst)), beyond = extra.filter(r => !inside.includes(r)).sort((a, b) => (better(Number(a.price), Number(b.price)) ? -1 : 1));
  for (const row of inside) { const i = out.findIndex(r => better(Number(row.price), Number(r.price))); out.splice(i < 0 ? out.length : i, 0, row); }
  if (beyond.length) {
    const away = Math.round((Math.abs(Number(beyond[0].price) - worst)) / tick);
    out.push({ gap: `⋯ ${(away * tick).toFixed(unit)} (${(away * tick / worst * 1e4).toFixed(1)} bp) ⋯` }, ...beyond);
  }
  return out;
}

// Heights in the ladder, as the style sheet has them: the middle with its margins, and a gap.
const MID = 40, GAP = 15;

function renderLadder(d) {
  // Rows shrink before levels are left out; what does not fit as a whole is left out, outermost first.
  const box = $("ladder"), own = Math.max(1, d.quotes.bids.length, d.quotes.asks.length), half = Math.floor((box.clientHeight - MID) / 2);
  const row = Math.max(15, Math.min(21, Math.floor((half - GAP) / (20 + own))));
  box.style.setProperty("--row", `${row}px`); box.style.fontSize = row < 17 ? "11.3px" : "";
  const height = list => list.reduce((sum, r) => sum + (r.gap ? GAP : row), 0);
  const fitting = name => {
    let rows = 20, list = side(d, name, rows);
    while (height(list) > half && rows > 3) list = side(d, name, --rows);
    while (height(list) > half) list.pop();
    return list;
  };
  const asks = fitting("asks"), bids = fitting("bids");
  const most = Math.max(1e-12, ...asks.concat(bids).map(r => Number(r.qty) || 0));
  const line = (row, cls) => {
    if (row.gap) return el("div", "gap", row.gap);
    const e = el("div", `lv ${cls}${row.own ? " own" : ""}${row.own && !row.own.live ? " want" : ""}${row.out ? " out" : ""}`);
    const bar = el("i", "bar"); bar.style.width = `${(Number(row.qty) || 0) / most * 74}%`;
    const mine = el("span", "o"); if (row.own) mine.append(el("b", "", row.own.qty));
    e.append(bar, mine, el("span", "p", row.price), el("span", "s", row.qty ?? "–"), el("span", "c", row.sum === undefined ? "–" : group(row.sum, places(d.step))));
    return e;
  };
  const mid = el("div", "mid");
  mid.append(el("b", "num", d.quotes.mid ? group(d.quotes.mid, places(d.tick) + 1) : "–"), el("span", "num", d.book.spread ? `${d.book.spread} · ${d.book.spread_bps.toFixed(2)} bp` : ""));
  if (d.quotes.reservation) mid.append(el("span", "grow"), el("span", "num", `r ${group(d.quotes.reservation, places(d.tick) + 1)}`));
  // Each side has its own half, so that the middle stays where it is.
  const above = el("div", "half above"), below = el("div", "half");
  above.append(...asks.reverse().map(r => line(r, "a"))); below.append(...bids.map(r => line(r, "b")));
  box.replaceChildren(above, mid, below);
  put("book-status", named(d.book.status), d.book.status === "synced" ? "tag" : "tag bad");
  put("mark", d.book.mark ? group(d.book.mark, places(d.tick)) : "–"); put("funding", `${(Number(d.book.funding_rate) * 100).toFixed(4)}%`);
  put("imbalance", signed(d.quotes.imbalance, 2), tone(d.quotes.imbalance));
}

function renderPosition(d) {
  const p = d.position, pos = Number(p.position), limit = Number(p.max_position) || 1, inv = Number(p.max_inventory), digits = places(d.step), reach = Math.max(limit, inv, Math.abs(pos));
  const x = v => `${Math.max(0, Math.min(100, 50 + v / reach * 50))}%`;
  put("pos", `${signed(pos, digits)} ${d.base}`, `big num ${tone(pos)}`);
  put("pos-value", p.value === null ? "" : `≈ ${signed(p.value, 2)} ${d.quote}   ${percent(Math.abs(pos), inv)} / ${lang === "zh" ? NAMES.zh.max_inventory : "max inventory"}`);
  put("pos-entry", pos ? `${t("entry")} ${group(p.entry, places(d.tick))}` : ""); $("pos-known").hidden = p.known;
  const [, exposure, fill, , l, r, pin] = $("gauge").children;
  fill.className = `g-fill ${tone(pos)}`; fill.style.left = x(Math.min(0, pos)); fill.style.right = `calc(100% - ${x(Math.max(0, pos))})`;
  exposure.style.left = x(Number(p.exposure_short)); exposure.style.right = `calc(100% - ${x(Number(p.exposure_long))})`;
  l.style.left = $("g-il").style.left = x(-inv); r.style.left = $("g-ir").style.left = x(inv); pin.style.left = x(pos);
  put("g-min", `−${reach}`); put("g-max", `+${reach}`);
  const close = inv / reach > .86; put("g-il", close ? "" : `−${inv}`); put("g-ir", close ? "" : `+${inv}`);
}

function renderRisk(status, d) {
  const risk = status.risk, box = $("limits");
  put("level", named(risk.level_name)); $("level").dataset.level = risk.level;
  if (box.children.length !== risk.limits.length) box.replaceChildren(...risk.limits.map(() => { const e = el("div", "limit"), row = el("div", "row"), m = el("div", "meter"); row.append(el("span"), el("span")); m.append(el("i")); e.append(row, m); return e; }));
  const short = v => { const n = Math.abs(v); return n === 0 ? "0" : n >= 1000 ? group(v, 0) : String(Number(v.toPrecision(3))); };
  risk.limits.forEach((limit, i) => {
    const e = box.children[i], [label, figures] = e.firstChild.children, bar = e.lastChild.firstChild, ratio = Math.max(0, limit.ratio), drawdown = limit.limit.includes("drawdown");
    label.textContent = named(limit.limit);
    figures.textContent = drawdown && limit.allowed <= 1 ? `${(limit.used * 100).toFixed(2)}% / ${(limit.allowed * 100).toFixed(1)}%` : `${short(limit.used)} / ${short(limit.allowed)}`;
    bar.style.width = `${Math.min(100, ratio * 100)}%`; bar.style.background = ratio >= 1 ? "var(--sell)" : ratio >= .8 ? "var(--orange)" : ratio >= .5 ? "var(--amber)" : "var(--buy)";
  });
  const fact = (id, text, kind, small) => { const e = $(id), key = text + small + kind; if (e.dataset.key === key) return; e.dataset.key = key; e.className = kind; e.textContent = text; if (small) e.append(" ", el("small", "num", small)); };
  const b = risk.breaker;
  fact("breaker", named(b.state), b.state === "closed" ? "t-good" : b.state === "open" ? "t-bad" : "t-warn", b.state === "open" && b.retry_at_ms ? `${t("retry")} ${span(b.retry_at_ms - status.now_ms)}` : `${b.failures}/${b.threshold}`);
  $("breaker").title = b.reason;
  const left = d.dead_man_until_ms === null ? null : d.dead_man_until_ms - status.now_ms;
  fact("deadman", t(left === null ? "notArmed" : "armed"), left === null ? "t-warn" : left < 5000 ? "t-bad" : "t-good", left === null ? "" : span(left));
  fact("ustream", t(d.user_stream_up ? "up" : "down"), d.user_stream_up ? "t-good" : "t-bad", "");
  put("drawdown", `${(risk.drawdown_ratio * 100).toFixed(2)}% (${(risk.max_drawdown_ratio * 100).toFixed(2)}%)`);
  const reasons = $("reasons"), key = lang + d.reasons.join() + b.reason;
  if (reasons.dataset.key !== key) { reasons.dataset.key = key; reasons.replaceChildren(...d.reasons.map(r => el("span", ["warmup", "paused", "position_limit"].includes(r) ? "" : "bad", named(r) + (r === "breaker_open" && b.reason ? `: ${b.reason}` : "")))); }
}

const cells = (row, list) => { const tr = el("tr"); tr.append(...list.map(([text, cls]) => el("td", cls, text))); return tr; };

function renderOrders(status, d) {
  const rows = [...d.orders].sort((a, b) => Number(b.price) - Number(a.price));
  $("orders").replaceChildren(...rows.map(o => cells(o, [[t(o.side) + (o.reduce_only ? " ↓" : ""), o.side], [o.price, "r"], [o.qty, "r"], [o.filled, "r dim"], [named(o.state), o.state === "in_doubt" ? "t-bad" : o.state === "live" ? "" : "t-warn"], [span(status.now_ms - o.created_ms), "r dim"]])));
  $("orders-empty").hidden = rows.length > 0; put("order-count", rows.length ? String(rows.length) : "");
}

function renderFills() {
  const symbol = desk()?.symbol, rows = S.fills.filter(f => !symbol || f.symbol === symbol).slice(0, 100);
  $("fills").replaceChildren(...rows.map(f => {
    const key = `${f.symbol} ${f.trade_id}`, tr = cells(f, [[clock(f.time_ms, true), "dim"], [t(f.side), f.side], [f.price, "r"], [f.qty, "r"], [group(f.value, 2), "r opt dim"], [group(f.fee, 4), "r opt dim"], [signed(f.edge, 4), `r ${tone(f.edge)}`], [signed(f.position, places(desk()?.step ?? "0.001")), "r"]]);
    if (S.fresh.delete(key)) tr.className = "new";
    return tr;
  }));
  $("fills-empty").hidden = rows.length > 0;
}

function renderAlerts() {
  $("alerts").replaceChildren(...S.alerts.map(a => { const li = el("li"); li.dataset.level = a.level; li.append(el("time", "", clock(a.time_ms)), el("b", "", `${named(a.level)} · ${named(a.kind)}`), el("p", "", a.message)); return li; }));
  $("alerts-empty").hidden = S.alerts.length > 0; put("alert-count", S.alerts.length ? String(S.alerts.length) : "");
}

function renderFoot(status, d) {
  const c = d.counters;
  put("build", `${status.version} · ${status.commit.slice(0, 8)} · config ${status.config_hash.slice(0, 8)} · session ${status.session} · ${t("uptime")} ${span(status.uptime_ms)}`);
  put("counts", [["sent", c.placed], ["accepted", c.accepted], ["rejected", c.rejected], ["postOnly", c.post_only_rejected], ["canceled", c.canceled], ["refused", c.refused], ["inDoubt", c.in_doubt], ["anomalies", c.anomalies]].map(([key, n]) => `${t(key)} ${n}`).join(" · "));
  put("fill-count", String(c.fills_buy + c.fills_sell)); put("fill-volume", `${t("volume")} ${group(Number(c.quote_buy) + Number(c.quote_sell), 0)} ${d.quote}`);
}

// ---- PnL chart ---------------------------------------------------------------------------------
const LINES = [["unrealized", "#b08cff", 1.2], ["realized", "#5b9cff", 1.4], ["total", "#35d0ba", 2]];

function ticks(low, high, count) {
  const raw = (high - low) / count, unit = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map(m => m * unit).find(s => s >= raw), out = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) out.push(v);
  return [out, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))];
}

function drawChart() {
  const canvas = $("chart"), box = canvas.parentElement, w = box.clientWidth, h = box.clientHeight, ratio = devicePixelRatio || 1;
  if (!w || !h) return;
  if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) { canvas.width = Math.round(w * ratio); canvas.height = Math.round(h * ratio); }
  const g = canvas.getContext("2d"); g.setTransform(ratio, 0, 0, ratio, 0, 0); g.clearRect(0, 0, w, h);
  const now = S.points.length ? S.points[S.points.length - 1].ms : 0, want = now - S.minutes * 60000;
  const points = S.points.filter(p => p.ms >= want);
  if (points.length < 2) { $("tip").hidden = true; return; }
  const left = 10, right = 62, top = 12, bottom = 22, x0 = Math.max(want, points[0].ms), x1 = now;
  let low = 0, high = 0;
  for (const p of points) for (const [key] of LINES) { low = Math.min(low, p[key]); high = Math.max(high, p[key]); }
  const pad = (high - low || 1) * .08; low -= pad; high += pad;
  const X = ms => left + (ms - x0) / (x1 - x0 || 1) * (w - left - right), Y = v => top + (high - v) / (high - low) * (h - top - bottom);
  g.font = "10.5px " + getComputedStyle(document.documentElement).getPropertyValue("--mono"); g.textBaseline = "middle"; g.lineWidth = 1;
  const [marks, digits] = ticks(low, high, Math.max(2, Math.floor(h / 55)));
  for (const v of marks) {
    const y = Math.round(Y(v)) + .5; g.strokeStyle = Math.abs(v) < 1e-12 ? "#4d5a6b" : "#1a222d"; g.beginPath(); g.moveTo(left, y); g.lineTo(w - right, y); g.stroke();
    g.fillStyle = "#7d8b9d"; g.textAlign = "left"; g.fillText(signed(Math.abs(v) < 1e-12 ? 0 : v, digits), w - right + 8, y);
  }
  const length = x1 - x0, steps = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600].map(s => s * 1000), step = steps.find(s => length / s <= Math.max(3, w / 130)) ?? 3600000;
  g.textAlign = "center";
  for (let ms = Math.ceil(x0 / step) * step; ms <= x1; ms += step) { const x = Math.round(X(ms)) + .5; g.strokeStyle = "#151c26"; g.beginPath(); g.moveTo(x, top); g.lineTo(x, h - bottom); g.stroke(); if (x > 24 && x < w - right - 12) { g.fillStyle = "#7d8b9d"; g.fillText(clock(ms).slice(0, step < 60000 ? 8 : 5), x, h - 10); } }
  const trace = key => { g.beginPath(); points.forEach((p, i) => (i ? g.lineTo(X(p.ms), Y(p[key])) : g.moveTo(X(p.ms), Y(p[key])))); };
  trace("total"); g.lineTo(X(x1), Y(0)); g.lineTo(X(x0), Y(0)); g.closePath();
  const shade = g.createLinearGradient(0, top, 0, h - bottom); shade.addColorStop(0, "#35d0ba2b"); shade.addColorStop(1, "#35d0ba05"); g.fillStyle = shade; g.fill();
  for (const [key, color, width] of LINES) { trace(key); g.strokeStyle = color; g.lineWidth = width; g.lineJoin = "round"; g.stroke(); }
  const last = points[points.length - 1], y = Y(last.total); g.fillStyle = "#35d0ba"; g.fillRect(w - right + 3, y - 8, right - 5, 16); g.fillStyle = "#04211d"; g.textAlign = "left"; g.fillText(signed(last.total, Math.abs(last.total) < 1000 ? 2 : 0), w - right + 8, y + .5);
  hover(g, points, X, Y, { w, h, left, right, top, bottom });
}

function hover(g, points, X, Y, box) {
  const tip = $("tip");
  if (S.hover === null || S.hover > box.w - box.right + 4) { tip.hidden = true; return; }
  let at = 0, to = points.length - 1;
  while (to - at > 1) { const m = (at + to) >> 1; if (X(points[m].ms) < S.hover) at = m; else to = m; }
  const p = S.hover - X(points[at].ms) < X(points[to].ms) - S.hover ? points[at] : points[to], x = X(p.ms);
  g.strokeStyle = "#8fa0b5"; g.setLineDash([3, 3]); g.beginPath(); g.moveTo(x, box.top); g.lineTo(x, box.h - box.bottom); g.stroke(); g.setLineDash([]);
  for (const [key, color] of LINES) { g.fillStyle = color; g.beginPath(); g.arc(x, Y(p[key]), 3, 0, 7); g.fill(); }
  const row = ([key, color]) => { const e = el("div"), dot = el("i"); dot.style.background = color; e.append(dot, `${t(key === "total" ? "total" : key + "Low")}  ${signed(p[key], 4)}`); return e; };
  tip.replaceChildren(el("div", "dim", `${clock(p.ms)} UTC`), ...[...LINES].reverse().map(row)); tip.hidden = false;
  tip.style.left = `${x + 14 + tip.offsetWidth > box.w - box.right ? x - tip.offsetWidth - 12 : x + 12}px`; tip.style.top = `${box.top + 6}px`;
}

// ---- actions -----------------------------------------------------------------------------------
function ask({ title, text, ok, alt, danger, input }) {
  const d = $("ask"), [h3, p, field] = d.firstChild.children, [, other, yes] = d.querySelectorAll("button");
  h3.textContent = title; p.textContent = text; field.hidden = !input; field.value = ""; yes.textContent = ok; yes.className = danger ? "danger" : "primary"; other.hidden = !alt; other.textContent = alt ?? "";
  // Enter means the button on the right, not the form's first one, which is Cancel.
  field.onkeydown = e => { if (e.key === "Enter") { e.preventDefault(); d.close("ok"); } };
  if (!d.open) d.showModal();
  (input ? field : d.querySelector("button")).focus();
  return new Promise(done => { d.onclose = () => done({ answer: d.returnValue, value: field.value.trim() }); d.returnValue = "cancel"; });
}

async function askToken(title) {
  const { answer, value } = await ask({ title: title ?? t("tokenTitle"), text: t("tokenText"), ok: t("save"), alt: token ? t("forget") : undefined, input: true });
  if (answer === "ok" && value) { token = value; store(sessionStorage, "token", token); return true; }
  if (answer === "alt") { token = null; store(sessionStorage, "token", null); }
  return false;
}

async function act(path, body, wrong) {
  if (!token && !(await askToken(t(wrong ? "tokenWrong" : "tokenNeeded")))) return;
  try {
    const answer = await fetch(`api/control/${path}`, { method: "POST", headers: { ...headers(), "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });
    const result = await answer.json();
    if (answer.status === 401) { token = null; store(sessionStorage, "token", null); return act(path, body, true); }
    if (answer.ok) toast(t("done") + path); else toast(`${t("failed")}${result.error}\n${result.remedy}`, true);
  } catch { toast(t("failed") + t("disconnected"), true); }
}

$("pause").onclick = () => act("pause");
$("resume").onclick = async () => {
  if (!S.status?.halted) return act("resume", { clear_halt: false });
  const { answer } = await ask({ title: t("resumeTitle"), text: `${t("resumeText")}\n${S.status.reasons.map(named).join(", ")}`, ok: t("clearHalt"), alt: S.status.paused ? t("keepHalt") : undefined, danger: true });
  if (answer === "ok") act("resume", { clear_halt: true }); else if (answer === "alt") act("resume", { clear_halt: false });
};
$("halt").onclick = async () => { if ((await ask({ title: t("haltTitle"), text: t("haltText"), ok: t("haltOk"), danger: true })).answer === "ok") act("halt"); };
$("flatten").onclick = async () => { if ((await ask({ title: t("flattenTitle"), text: t("flattenText"), ok: t("flattenOk"), danger: true })).answer === "ok") act("flatten"); };
$("reset").onclick = async () => { if ((await ask({ title: t("resetTitle"), text: t("resetText"), ok: t("resetOk") })).answer === "ok") act("breaker/reset"); };
$("token").onclick = () => askToken();
$("lang").onclick = () => { lang = lang === "en" ? "zh" : "en"; store(localStorage, "lang", lang); speak(); };
for (const b of $("ranges").children) b.onclick = () => { S.minutes = +b.dataset.minutes; for (const o of $("ranges").children) o.classList.toggle("on", o === b); drawChart(); };
$("chart").onpointermove = e => { S.hover = e.offsetX; drawChart(); };
$("chart").onpointerleave = () => { S.hover = null; drawChart(); };
new ResizeObserver(schedule).observe($("ladder"));
new ResizeObserver(drawChart).observe($("chart").parentElement);
addEventListener("hashchange", () => location.hash.includes("token=") && location.reload());

function speak() {
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
  $("lang").textContent = lang === "en" ? "中文" : "English"; $("token").textContent = lang === "zh" ? "令牌" : "Token";
  for (const e of document.querySelectorAll("[data-t]")) e.textContent = t(e.dataset.t);
  health(); renderFills(); renderAlerts(); render();
}

speak();
connect();
setInterval(renderLink, 500);
setInterval(health, 5000);
setInterval(loadHistory, 120000);
