//! Any captured message for human eyes: what it is, what we understand of it, what we do not.
//!
//! [`describe`] never fails. It reads by the tables in `schema`, apart from the decoders that
//! trade, so that it also explains what those refuse. Secrets are masked.

mod schema;

use market::{Decimal, Nanos};
use serde_json::{Map, Value, json};

use crate::reaction::{Answer, judge};
use crate::redact::redact;
use crate::replies::{Owner, parse, parse_rounded};
use crate::wire::{DecodeError, excerpt};
use schema::{EVENTS, Known, REPLIES, Shape};

/// Rows of a list that are described; the others are only counted.
const ROWS_MAX: usize = 20;
/// Levels of a book side that are shown.
const LEVELS_MAX: usize = 3;
/// Lists within lists within …: beyond this nothing is explained.
const DEPTH_MAX: usize = 6;

/// What we understand of a message of the venue, or of one of ours to it: market stream, user
/// stream, REST body, WS API.
///
/// `{"kind":…,"understood":{…},"unknown_fields":[…]}`, with `"problems":[…]` when a known field is
/// not what it should be, or `{"kind":"malformed","reason":…,"text":…}`.
pub fn describe(text: &str) -> Value {
    match parse(text.trim().as_bytes()) {
        Ok(value) => message(&value, None, 0),
        Err(DecodeError { fault, .. }) => {
            let shown = redact(text.trim());
            json!({
                "kind": "malformed",
                "reason": fault.to_string(),
                "text": excerpt(shown.as_bytes(), 400),
            })
        }
    }
}

/// What has been understood so far.
#[derive(Default)]
struct Found {
    understood: Map<String, Value>,
    unknown: Vec<Value>,
    problems: Vec<Value>,
}

impl Found {
    fn say(&mut self, name: &str, value: impl Into<Value>) {
        self.understood.insert(name.to_owned(), value.into());
    }

    fn done(self, kind: &str) -> Value {
        let mut out = Map::new();
        out.insert("kind".to_owned(), kind.into());
        out.insert("understood".to_owned(), Value::Object(self.understood));
        out.insert("unknown_fields".to_owned(), Value::Array(self.unknown));
        if !self.problems.is_empty() {
            out.insert("problems".to_owned(), Value::Array(self.problems));
        }
        Value::Object(out)
    }
}

fn message(value: &Value, stream: Option<&str>, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Found::default().done("nested too deeply");
    }
    match value {
        Value::Object(map) => object(map, stream, depth),
        Value::Array(items) => list(items, stream, depth),
        other => {
            let mut found = Found::default();
            found.say("value", redact(&excerpt(other.to_string().as_bytes(), 200)));
            found.done("neither an object nor a list")
        }
    }
}

fn object(map: &Map<String, Value>, stream: Option<&str>, depth: usize) -> Value {
    if let (Some(Value::String(stream)), Some(data)) = (map.get("stream"), map.get("data")) {
        let mut inner = message(data, Some(stream), depth + 1);
        if let Some(Value::Object(understood)) = inner.get_mut("understood") {
            understood.insert("stream".to_owned(), redact(stream).into());
        }
        return inner;
    }
    if let Some(Value::String(event)) = map.get("e") {
        return described_event(event, map, stream);
    }
    if map.contains_key("method") {
        return request(map);
    }
    if map.contains_key("status") && (map.contains_key("result") || map.contains_key("error")) {
        return ws_reply(map, depth);
    }
    if map.contains_key("id") && (map.contains_key("result") || map.contains_key("error")) {
        return known("reply to a stream request", schema::CONTROL, map);
    }
    let is_code = |value: &Value| value.is_i64() || value.is_u64() || value.is_string();
    if map.get("code").is_some_and(is_code) && map.len() <= 3 {
        return code(map);
    }
    let fits = |keys: &[&str]| keys.iter().all(|key| map.contains_key(*key));
    match REPLIES.iter().find(|reply| fits(reply.keys)) {
        Some(reply) => known(reply.kind, reply.fields, map),
        None => known("unknown", &[], map),
    }
}

fn described_event(event: &str, map: &Map<String, Value>, stream: Option<&str>) -> Value {
    let Some((_, kind, fields)) = EVENTS.iter().find(|(name, ..)| *name == event) else {
        let mut found = read(&[Known("e", "event", Shape::Text)], map);
        found.say("event", excerpt(redact(event).as_bytes(), 64));
        return found.done("unknown event");
    };
    let name = stream.and_then(|stream| stream.split('@').nth(1)).unwrap_or_default();
    let partial = *kind == "depth changes" && matches!(name, "depth5" | "depth10" | "depth20");
    known(if partial { "partial book (replaces)" } else { kind }, fields, map)
}

fn known(kind: &str, fields: &[Known], map: &Map<String, Value>) -> Value {
    read(fields, map).done(kind)
}

/// Reads the fields of a table; what it does not name is unknown.
fn read(fields: &[Known], map: &Map<String, Value>) -> Found {
    let mut found = Found::default();
    for (wire, value) in map {
        let Some(Known(_, name, shape)) = fields.iter().find(|Known(known, ..)| known == wire)
        else {
            found.unknown.push(excerpt(redact(wire).as_bytes(), 64).into());
            continue;
        };
        match show(*shape, value) {
            Some(shown) => found.say(name, shown),
            None => {
                let shown = redact(&excerpt(value.to_string().as_bytes(), 80));
                found.problems.push(format!("`{wire}` should be {}: {shown}", shape.name()).into());
            }
        }
        if let (Shape::Client, Value::String(id)) = (shape, value) {
            found.say("owner", owner(id));
        }
    }
    found
}

/// A value as a person reads it; `None` when it is not what it should be. Null is nothing.
fn show(shape: Shape, value: &Value) -> Option<Value> {
    if value.is_null() {
        return Some(Value::Null);
    }
    match shape {
        Shape::Any => Some(bounded(value)),
        Shape::Text | Shape::Client => value.as_str().map(|text| safe(text).into()),
        Shape::Secret => Some("***".into()),
        Shape::Flag => match value {
            Value::Bool(flag) => Some((*flag).into()),
            Value::String(text) if text == "true" || text == "false" => {
                Some((text == "true").into())
            }
            _ => None,
        },
        Shape::Id => match value {
            Value::Number(number) if !number.is_f64() => Some(value.clone()),
            Value::String(text) if text.is_empty() => Some(Value::Null),
            Value::String(text) => text.parse::<i64>().ok().map(Value::from),
            _ => None,
        },
        Shape::Time => {
            let millis = value.as_u64()?;
            Some(if millis == 0 { Value::Null } else { time(millis).into() })
        }
        Shape::Decimal => match value {
            Value::String(text) if text.is_empty() => Some(Value::Null),
            Value::String(text) => {
                let exact = Decimal::parse(text.as_bytes()).or_else(|_| parse_rounded(text));
                exact.ok().map(|decimal| decimal.to_string().into())
            }
            Value::Number(number) => Some(number.to_string().into()),
            _ => None,
        },
        Shape::Levels => levels(value.as_array()?),
        Shape::Object(fields) => value.as_object().map(|map| nested(fields, map)),
        Shape::List(fields) => {
            let items = value.as_array()?;
            let shown = items.iter().take(ROWS_MAX).map(|item| match item {
                Value::Object(map) => nested(fields, map),
                other => bounded(other),
            });
            let shown: Vec<Value> = shown.collect();
            Some(if items.len() > shown.len() {
                json!({ "count": items.len(), "first": shown })
            } else {
                Value::Array(shown)
            })
        }
    }
}

/// An object within a message: its fields, and what is unknown or wrong in it, if anything.
fn nested(fields: &[Known], map: &Map<String, Value>) -> Value {
    let Found { mut understood, unknown, problems } = read(fields, map);
    for (name, rest) in [("unknown_fields", unknown), ("problems", problems)] {
        if !rest.is_empty() {
            understood.insert(name.to_owned(), Value::Array(rest));
        }
    }
    Value::Object(understood)
}

fn levels(items: &[Value]) -> Option<Value> {
    let level = |item: &Value| {
        let pair = item.as_array()?;
        let price = show(Shape::Decimal, pair.first()?)?;
        let qty = pair.get(1).map_or(Some(Value::Null), |qty| show(Shape::Decimal, qty))?;
        Some(json!([price, qty]))
    };
    let first = items.iter().take(LEVELS_MAX).map(level).collect::<Option<Vec<_>>>()?;
    Some(json!({ "count": items.len(), "first": first }))
}

/// A request of ours or somebody's: names, values masked where they are secret.
fn request(map: &Map<String, Value>) -> Value {
    let mut found = read(schema::REQUEST, map);
    if let Some(params) = map.get("params") {
        found.say("params", masked(params));
    }
    found.done("request")
}

fn ws_reply(map: &Map<String, Value>, depth: usize) -> Value {
    let mut found = read(schema::WS_REPLY, map);
    if let Some(result) = map.get("result") {
        found.say("result", message(result, None, depth + 1));
    }
    if let Some(Value::Object(error)) = map.get("error") {
        let status = map.get("status").and_then(Value::as_u64).unwrap_or(400);
        found.say("error", error_meaning(error, u16::try_from(status).unwrap_or(400)));
    }
    found.done("WS API reply")
}

fn code(map: &Map<String, Value>) -> Value {
    let mut found = read(schema::CODE, map);
    let negative =
        show(Shape::Id, &map["code"]).and_then(|code| code.as_i64()).is_some_and(|c| c < 0);
    if !negative {
        return found.done("confirmation");
    }
    found.say("meaning", error_meaning(map, 400));
    found.done("error")
}

/// What the table of reactions makes of an error, taken as the answer to an order.
fn error_meaning(error: &Map<String, Value>, status: u16) -> Value {
    let message = error.get("msg").and_then(Value::as_str).unwrap_or_default();
    let code = error.get("code").and_then(|code| show(Shape::Id, code)).and_then(|c| c.as_i64());
    let verdict = judge(&Answer {
        status,
        code,
        message,
        retry_after: None,
        mutates: true,
        resent: false,
        attempt: 0,
        now: Nanos::ZERO,
    });
    let reaction = format!("{:?}", verdict.reaction);
    let reaction = reaction.split([' ', '{']).next().unwrap_or_default();
    json!({
        "code": code,
        "message": excerpt(redact(message).as_bytes(), 200),
        "executed": format!("{:?}", verdict.outcome),
        "reject": verdict.reject.map(|reason| format!("{reason:?}")),
        "reaction": reaction,
        "why": verdict.why,
    })
}

fn list(items: &[Value], stream: Option<&str>, depth: usize) -> Value {
    let mut found = Found::default();
    found.say("count", items.len());
    if let Some(Value::Array(row)) = items.first()
        && row.len() >= 11
    {
        found.say("first", candle(row));
        found
            .say("last", items.last().and_then(Value::as_array).map_or(Value::Null, |r| candle(r)));
        return found.done("candles");
    }
    let shown = items.iter().take(ROWS_MAX).map(|item| message(item, stream, depth + 1));
    found.say("items", shown.collect::<Vec<_>>());
    found.done("list")
}

fn candle(row: &[Value]) -> Value {
    let names = ["opened", "open", "high", "low", "close", "volume", "closed"];
    let mut out = Map::new();
    for (index, (name, value)) in names.into_iter().zip(row).enumerate() {
        let shape = if matches!(index, 0 | 6) { Shape::Time } else { Shape::Decimal };
        out.insert(name.to_owned(), show(shape, value).unwrap_or(Value::Null));
    }
    Value::Object(out)
}

fn owner(client_id: &str) -> &'static str {
    match Owner::of(client_id) {
        Owner::Ours(_) => "ours",
        Owner::Liquidation(_) => "liquidation",
        Owner::Adl(_) => "auto-deleveraging",
        Owner::Settlement(_) => "settlement",
        Owner::Manual(_) => "by hand",
        Owner::Foreign(_) => "foreign",
    }
}

fn time(millis: u64) -> String {
    Nanos::from_millis(millis).to_string()
}

fn safe(text: &str) -> String {
    excerpt(redact(text).as_bytes(), 400)
}

/// Any value, with secrets masked and not too long.
fn bounded(value: &Value) -> Value {
    match value {
        Value::String(text) => safe(text).into(),
        Value::Array(_) | Value::Object(_) => masked(value),
        other => other.clone(),
    }
}

/// A value whose secrets are masked; a long one becomes the beginning of its text.
fn masked(value: &Value) -> Value {
    let text = redact(&value.to_string());
    if text.len() > 4_000 {
        return excerpt(text.as_bytes(), 4_000).into();
    }
    serde_json::from_str(&text).unwrap_or_else(|_| text.into())
}

#[cfg(test)]
mod tests;
