//! Requests: what each call is named, what it costs, how it is signed.
//!
//! A [`Request`] is a value. [`Request::http`] writes it for REST and
//! [`Request::frame`](crate::ws_api) for the WS API, where the call exists there. Weights and costs
//! are those of the vendor's documentation (facts, sections 3 to 6); how much is left of the
//! budget is for [`limits`](crate::limits).

mod account;
mod params;
mod trade;

use std::fmt;
use std::time::Duration;

use market::Nanos;

pub use account::*;
pub(crate) use params::{Digits, encode_into, push_digits};
pub use params::{Param, ParamKind, Params};
pub use trade::*;

use crate::sign::Credentials;

/// HTTP methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates or sets.
    Post,
    /// Changes.
    Put,
    /// Ends.
    Delete,
}

impl Method {
    /// As HTTP spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// Who must ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Anybody.
    None,
    /// Whoever has the API key (`USER_STREAM`, `MARKET_DATA`).
    Key,
    /// Signed, with a timestamp (`TRADE`, `USER_DATA`).
    Signed,
}

/// What a request is for; decides how deep into the rate limits it may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Nobody waits for it (statistics, refreshes).
    Background,
    /// New exposure, or a better price.
    Trade,
    /// Finding out where we stand.
    Query,
    /// Less exposure: reduce-only orders.
    Close,
    /// Less exposure at once: cancels and the dead-man's switch.
    Cancel,
}

/// What a request adds to the account's order counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderCost {
    /// On the 10-second counter.
    pub ten_seconds: u32,
    /// On the minute counter.
    pub minute: u32,
}

/// A request, ready to be signed and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// Path, with the leading slash.
    pub path: &'static str,
    /// Method name on the WS API, if the call exists there.
    pub ws_method: Option<&'static str>,
    /// Parameters without timestamp, window, key and signature.
    pub params: Params,
    /// Cost on the IP's weight counter.
    pub weight: u32,
    /// Cost on the account's order counters.
    pub order_cost: OrderCost,
    /// Who must ask.
    pub security: Security,
    /// Sending it twice does what sending it once does, so it may be resent when its fate is
    /// unknown. A repeated cancel answers -2011, which is understood.
    pub idempotent: bool,
    /// What it is for.
    pub purpose: Purpose,
}

/// When a request is made, and how long the venue may take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The venue's time ([`ClockSync::server_time`](crate::ClockSync::server_time)).
    pub timestamp: Nanos,
    /// `recvWindow`: the venue refuses what arrives later (-1021). At most 60 s.
    pub window: Duration,
}

/// A request as HTTP wants it. Printing it masks key and signature.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// HTTP method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// `application/x-www-form-urlencoded` body of POST and PUT; empty otherwise.
    pub body: String,
    /// Value of `X-MBX-APIKEY`.
    pub api_key: Option<String>,
}

/// The request needs a key and there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} {path} needs an API key", method = .method.name())]
pub struct NeedsKey {
    /// HTTP method.
    pub method: Method,
    /// Path.
    pub path: &'static str,
}

impl Request {
    /// A public read of weight 1; builders change what differs.
    pub fn new(method: Method, path: &'static str, params: Params) -> Self {
        Self {
            method,
            path,
            ws_method: None,
            params,
            weight: 1,
            order_cost: OrderCost::default(),
            security: Security::None,
            idempotent: matches!(method, Method::Get | Method::Delete),
            purpose: Purpose::Query,
        }
    }

    pub(crate) fn signed(method: Method, path: &'static str, params: Params) -> Self {
        Self { security: Security::Signed, ..Self::new(method, path, params) }
    }

    pub(crate) fn weighing(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    pub(crate) fn on_ws(self, ws_method: &'static str) -> Self {
        Self { ws_method: Some(ws_method), ..self }
    }

    pub(crate) fn purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// Writes it for REST: parameters of GET and DELETE in the query, of POST and PUT in the body.
    ///
    /// # Errors
    /// [`NeedsKey`] when it is not public and `credentials` is `None`.
    pub fn http(
        &self,
        credentials: Option<&Credentials>,
        stamp: Stamp,
    ) -> Result<HttpRequest, NeedsKey> {
        let needed = || credentials.ok_or(NeedsKey { method: self.method, path: self.path });
        let mut text = String::with_capacity(384);
        self.params.encode_into(&mut text);
        let mut api_key = None;
        if self.security != Security::None {
            api_key = Some(needed()?.api_key().to_owned());
        }
        if self.security == Security::Signed {
            push_stamp(&mut text, stamp);
            let mut signature = String::with_capacity(88);
            needed()?.sign_into(text.as_bytes(), &mut signature);
            text.push_str("&signature=");
            encode_into(&signature, &mut text);
        }
        let in_body = matches!(self.method, Method::Post | Method::Put);
        let (target, body) = if in_body || text.is_empty() {
            (self.path.to_owned(), text)
        } else {
            (format!("{}?{text}", self.path), String::new())
        };
        Ok(HttpRequest { method: self.method, target, body, api_key })
    }

    /// Whether it changes something at the venue.
    pub fn mutates(&self) -> bool {
        self.method != Method::Get
    }
}

fn push_stamp(text: &mut String, stamp: Stamp) {
    text.push_str(if text.is_empty() { "recvWindow=" } else { "&recvWindow=" });
    push_digits(text, stamp.window_millis(), 0);
    text.push_str("&timestamp=");
    push_digits(text, stamp.timestamp.as_millis(), 0);
}

impl Stamp {
    /// The window in milliseconds, within what the venue takes (1 to 60,000).
    pub fn window_millis(self) -> u64 {
        u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX).clamp(1, 60_000)
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = crate::redact::redact(&format!("{} {}", self.target, self.body));
        write!(f, "{} {}", self.method.name(), shown.trim_end())
    }
}
