//! The WS API (`/ws-fapi/v1`): requests as frames, replies matched by id (facts, section 10).
//!
//! A frame is made from the same [`Request`] that REST sends, so both paths ask the same thing.
//! Signed are all parameters sorted by name, as plain text. After a session logon (Ed25519 only)
//! key and signature are left out. A socket that drops leaves everything in flight in doubt:
//! [`InFlight::take`] names it.

use std::collections::BTreeMap;
use std::time::Duration;

use market::Nanos;
use serde_json::Value;

use crate::replies::{LimitCount, Object, VenueError, limit_counts, parse};
use crate::rest::{Digits, Param, ParamKind, Params, Request, Security, Stamp, push_digits};
use crate::sign::{Credentials, KeyKind};
use crate::wire::DecodeError;

/// Whether the session is logged on.
#[derive(Clone, Copy, Debug)]
pub enum Auth<'a> {
    /// Every request is signed.
    Signed(&'a Credentials),
    /// Logged on with this key: signed calls need only the time.
    Session(&'a Credentials),
}

/// Why a request cannot be a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// REST only: batches, cancel-all, the dead-man's switch, open orders.
    #[error("{0} does not exist on the WS API; use REST")]
    RestOnly(&'static str),
    /// A session logon needs an Ed25519 key.
    #[error("session.logon needs an Ed25519 key; with an HMAC key every request is signed")]
    LogonNeedsEd25519,
}

impl Request {
    /// Writes it as a WS-API frame with this id, over what `out` holds.
    ///
    /// # Errors
    /// [`FrameError::RestOnly`].
    pub fn frame(
        &self,
        id: u64,
        auth: Auth<'_>,
        stamp: Stamp,
        out: &mut String,
    ) -> Result<(), FrameError> {
        let method = self.ws_method.ok_or(FrameError::RestOnly(self.path))?;
        let (credentials, on) = match auth {
            Auth::Signed(credentials) => (credentials, false),
            Auth::Session(credentials) => (credentials, true),
        };
        let plan = match self.security {
            Security::None => Plan { key: None, stamp: None, sign: None },
            Security::Key => Plan { key: Some(credentials), stamp: None, sign: None },
            Security::Signed if on => Plan { key: None, stamp: Some(stamp), sign: None },
            Security::Signed => {
                Plan { key: Some(credentials), stamp: Some(stamp), sign: Some(credentials) }
            }
        };
        write_frame(id, method, &self.params, plan, out);
        Ok(())
    }
}

/// The frame that logs a session on: afterwards [`Auth::Session`] will do. Weight 2.
///
/// # Errors
/// [`FrameError::LogonNeedsEd25519`].
pub fn logon_frame(
    id: u64,
    credentials: &Credentials,
    stamp: Stamp,
    out: &mut String,
) -> Result<(), FrameError> {
    if credentials.kind() != KeyKind::Ed25519 {
        return Err(FrameError::LogonNeedsEd25519);
    }
    let plan = Plan { key: Some(credentials), stamp: Some(stamp), sign: Some(credentials) };
    write_frame(id, "session.logon", &Params::default(), plan, out);
    Ok(())
}

/// `session.status` or `session.logout`, which take no parameters. Weight 2.
pub fn session_frame(id: u64, logout: bool, out: &mut String) {
    let method = if logout { "session.logout" } else { "session.status" };
    let plan = Plan { key: None, stamp: None, sign: None };
    write_frame(id, method, &Params::default(), plan, out);
}

/// What is added to the parameters.
#[derive(Clone, Copy)]
struct Plan<'a> {
    key: Option<&'a Credentials>,
    stamp: Option<Stamp>,
    sign: Option<&'a Credentials>,
}

fn write_frame(id: u64, method: &str, params: &Params, plan: Plan<'_>, out: &mut String) {
    let stamp = plan
        .stamp
        .map(|stamp| [stamp.window_millis(), stamp.timestamp.as_millis()].map(Digits::new));
    let mut sorted: Vec<Param<'_>> = Vec::with_capacity(params.len() + 3);
    sorted.extend(params.iter());
    if let Some(credentials) = plan.key {
        let value = credentials.api_key();
        sorted.push(Param { name: "apiKey", value, kind: ParamKind::Text });
    }
    if let Some([window, timestamp]) = &stamp {
        let kind = ParamKind::Integer;
        sorted.push(Param { name: "recvWindow", value: window.as_str(), kind });
        sorted.push(Param { name: "timestamp", value: timestamp.as_str(), kind });
    }
    sorted.sort_unstable_by_key(|param| param.name);

    // What is signed is shorter than the frame, so both are written in the same place.
    let signature = plan.sign.map(|credentials| {
        write_signed_text(&sorted, out);
        credentials.signature(out.as_bytes())
    });
    out.clear();
    out.push_str("{\"id\":\"");
    push_digits(out, id, 0);
    out.push_str("\",\"method\":\"");
    out.push_str(method);
    out.push_str("\",\"params\":{");
    for (index, param) in sorted.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_param(param, out);
    }
    if let Some(signature) = signature {
        out.push_str(",\"signature\":\"");
        signature.append_to(out);
        out.push('"');
    }
    out.push_str("}}");
}

fn write_signed_text(sorted: &[Param<'_>], out: &mut String) {
    out.clear();
    for param in sorted {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(param.name);
        out.push('=');
        out.push_str(param.value);
    }
}

fn push_param(param: &Param<'_>, out: &mut String) {
    out.push('"');
    out.push_str(param.name);
    out.push_str("\":");
    match param.kind {
        ParamKind::Integer => out.push_str(param.value),
        ParamKind::Text => push_json_text(param.value, out),
    }
}

/// Appends a text as a JSON string.
pub(crate) fn push_json_text(text: &str, out: &mut String) {
    // All bytes are looked at, many at a time, instead of stopping at the first.
    let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if text.bytes().fold(false, |found, byte| found | special(byte)) {
        out.push_str(&Value::from(text).to_string());
        return;
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
}

/// A reply, or something the venue says unasked (`id` is `None`: a revoked key).
#[derive(Clone, Debug, PartialEq)]
pub struct WsReply {
    /// Of the request, if it was one of ours.
    pub id: Option<u64>,
    /// As an HTTP status.
    pub status: u16,
    /// What was asked for, or why not.
    pub result: Result<Value, VenueError>,
    /// The counters, unless the connection turned them off.
    pub limits: Vec<LimitCount>,
}

impl WsReply {
    /// Reads a frame of the WS API.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not JSON, or neither a reply nor a push.
    pub fn decode(frame: &[u8]) -> Result<Self, DecodeError> {
        let mut root = parse(frame)?;
        let reply = Object::new(&root)?;
        let status = reply.integer("status")?;
        let status = u16::try_from(status).map_err(|_| reply.wrong("status", "an HTTP status"))?;
        let id = match reply.value("id") {
            Some(Value::String(text)) => text.parse().ok(),
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        let limits = limit_counts(reply.value("rateLimits"));
        let result = match (reply.value("result").is_some(), reply.value("error")) {
            (_, Some(error)) => Err(VenueError::of(&Object::new(error)?)),
            (true, None) => Ok(root.get_mut("result").map(Value::take).unwrap_or_default()),
            (false, None) if status == 200 => Ok(Value::Null),
            (false, None) => Err(VenueError { code: None, message: String::new() }),
        };
        Ok(Self { id, status, result, limits })
    }
}

/// Requests sent and not yet answered, by id. `T` is whatever the caller needs to know of them.
#[derive(Clone, Debug)]
pub struct InFlight<T> {
    next_id: u64,
    waiting: BTreeMap<u64, (Nanos, T)>,
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self { next_id: 1, waiting: BTreeMap::new() }
    }
}

impl<T> InFlight<T> {
    /// Notes a request and gives it an id, never used before on this value.
    pub fn send(&mut self, now: Nanos, patience: Duration, what: T) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.insert(id, (now + patience, what));
        id
    }

    /// Takes the request that a reply is about; `None` for an answer nobody waits for any more.
    pub fn answered(&mut self, id: u64) -> Option<T> {
        self.waiting.remove(&id).map(|(_, what)| what)
    }

    /// Takes the requests whose time is up: their fate is unknown.
    pub fn overdue(&mut self, now: Nanos) -> Vec<T> {
        self.waiting.extract_if(.., |_, (due, _)| *due <= now).map(|(_, (_, what))| what).collect()
    }

    /// Takes the requests that satisfy `is`, oldest first: their socket is gone and their fate
    /// unknown.
    pub fn take(&mut self, mut is: impl FnMut(&T) -> bool) -> Vec<T> {
        self.waiting.extract_if(.., |_, (_, what)| is(what)).map(|(_, (_, what))| what).collect()
    }

    /// When the next request is overdue.
    pub fn deadline(&self) -> Option<Nanos> {
        self.waiting.values().map(|(due, _)| *due).min()
    }

    /// Requests without an answer.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether every request is answered.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
