//! Who may ask, and who may act.
//!
//! Three questions, in this order: is the request addressed to us (a foreign `Host` is DNS rebinding,
//! a foreign `Origin` another web page), may it read (a peer on this machine, or the token), may it
//! act (the token, always). A request that was forwarded by a proxy does not count as local.

use std::fmt;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::Api;
use super::error::ApiError;
use super::listen::Peer;

const TOKEN_LENGTH_MIN: usize = 16;
/// A request's body must have arrived, and its answer be there, within this time.
const REQUEST_MAX: Duration = Duration::from_secs(10);

const SECURITY_HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Proves that a request comes from an operator. Not printable.
#[derive(Clone)]
pub struct Token(String);

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Too easy to guess.
    #[error("an API token needs at least 16 characters")]
    Short,
    /// Would not survive an HTTP header.
    #[error("an API token may hold visible ASCII characters only, no blanks")]
    Characters,
}

impl Token {
    /// Takes a text as token.
    ///
    /// # Errors
    /// Fewer than 16 characters, or characters that do not fit a header.
    pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
        let text = text.into();
        if text.len() < TOKEN_LENGTH_MIN {
            return Err(TokenError::Short);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Characters);
        }
        Ok(Self(text))
    }

    /// A fresh one from the system's entropy.
    ///
    /// # Errors
    /// When `/dev/urandom` cannot be read.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; 24];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The text, to hand to its owner; never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn is(&self, offered: &str) -> bool {
        self.0.as_bytes().ct_eq(offered.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// The address one listener is reached under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    address: SocketAddr,
}

impl Site {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Whether a `Host` header names us: loopback, our own address, or a configured name. A name that
    /// anybody could point at us is refused; an address cannot be pointed elsewhere.
    fn is_named(&self, host: &str, names: &[String]) -> bool {
        let name = host_name(host);
        if name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        if names.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return true;
        }
        match name.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => {
                let own = self.address.ip();
                ip.is_loopback() || ip == own || own.is_unspecified()
            }
            Err(_) => false,
        }
    }
}

/// A host header without its port; brackets of IPv6 stay.
fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if host[colon + 1..].bytes().all(|b| b.is_ascii_digit()) => {
            let name = &host[..colon];
            // A colon inside an unbracketed IPv6 address is no port.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

/// Whether an `Origin` is the page we serve: the same authority as the request's own `Host`.
fn is_own_origin(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

fn addressed(site: Site, names: &[String], headers: &HeaderMap) -> Result<(), ApiError> {
    let forbidden =
        |error: String, remedy: &str| ApiError::new(StatusCode::FORBIDDEN, error, remedy);
    if headers.get_all(header::HOST).iter().count() > 1 {
        let remedy = "send one Host header";
        return Err(ApiError::bad_request("more than one Host header", remedy));
    }
    let host = text(headers, &header::HOST).unwrap_or_default();
    if !site.is_named(host, names) {
        let remedy =
            "use the listening address or localhost, or allow the name in the configuration";
        return Err(forbidden(format!("not addressed to this server: Host `{host}`"), remedy));
    }
    match text(headers, &header::ORIGIN) {
        Some(origin) if !is_own_origin(origin, host) => {
            let remedy = "only the console served here may call this API from a browser";
            Err(forbidden(format!("foreign Origin `{origin}`"), remedy))
        }
        _ => Ok(()),
    }
}

/// Refuses what is not addressed to us, bounds how long a request takes, tells the connection where
/// it stands, and adds the security headers to every answer.
pub(super) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let names = &api.inner.config.hosts;
    let peer =
        request.extensions().get::<ConnectInfo<Peer>>().map(|ConnectInfo(peer)| peer.clone());
    if let Some(peer) = &peer {
        peer.requested();
    }
    let mut response = match addressed(api.site, names, request.headers()) {
        Ok(()) => match tokio::time::timeout(REQUEST_MAX, next.run(request)).await {
            Ok(response) => response,
            Err(_) => too_slow().into_response(),
        },
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Some(peer) = &peer {
        let kind = text(response.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        peer.answered(kind.starts_with("text/event-stream"));
    }
    response
}

fn too_slow() -> ApiError {
    let error = format!("not received and answered within {} s", REQUEST_MAX.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, error, "send the whole request at once")
}

/// How a request identified itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    /// Nothing offered, from this machine.
    Local,
    /// Nothing offered, from elsewhere.
    Stranger,
    /// The right token.
    Operator,
    /// A wrong token.
    Impostor,
}

fn identify(token: &Token, peer: IpAddr, headers: &HeaderMap) -> Identity {
    let offered = text(headers, &header::AUTHORIZATION);
    let forwarded =
        headers.contains_key(header::FORWARDED) || headers.contains_key("x-forwarded-for");
    let local = peer.to_canonical().is_loopback() && !forwarded;
    match offered.map(bearer) {
        Some(Some(offered)) if token.is(offered) => Identity::Operator,
        Some(_) => Identity::Impostor,
        None if local => Identity::Local,
        None => Identity::Stranger,
    }
}

/// The token of an `Authorization` header of the scheme `Bearer`.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_start())
}

fn ask(parts: &Parts, api: &Api) -> (Identity, IpAddr) {
    let peer = parts.extensions.get::<ConnectInfo<Peer>>();
    // Without a known peer nobody is local.
    let ip = peer.map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(peer)| peer.ip());
    (identify(&api.inner.config.token, ip, &parts.headers), ip)
}

fn unauthorized(identity: Identity, peer: IpAddr, parts: &Parts) -> ApiError {
    let error = match identity {
        Identity::Impostor => {
            tracing::warn!(target: "risk", %peer, path = parts.uri.path(), "RISK wrong API token");
            "the token is not valid"
        }
        Identity::Local | Identity::Stranger | Identity::Operator => "a token is needed",
    };
    let remedy = "send `Authorization: Bearer <token>`; from another machine, a tunnel \
                  (`ssh -L 9100:127.0.0.1:9100 host`) needs no token for reads";
    ApiError::new(StatusCode::UNAUTHORIZED, error, remedy)
}

/// Permission to read. Only the check makes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader(());

impl FromRequestParts<Api> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        match ask(parts, api) {
            (Identity::Local | Identity::Operator, _) => Ok(Self(())),
            (identity, peer) => Err(unauthorized(identity, peer, parts)),
        }
    }
}

/// Permission to act. Only the check makes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operator {
    peer: IpAddr,
}

impl Operator {
    /// Where the request came from, for the log.
    pub(super) fn peer(self) -> IpAddr {
        self.peer
    }
}

impl FromRequestParts<Api> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        match ask(parts, api) {
            (Identity::Operator, peer) => Ok(Self { peer }),
            (identity, peer) => Err(unauthorized(identity, peer, parts)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |&(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn tokens_are_long_and_plain_and_never_shown() {
        assert_eq!(Token::new("short").unwrap_err(), TokenError::Short);
        assert_eq!(Token::new("has a blank in the middle").unwrap_err(), TokenError::Characters);
        let token = Token::random().unwrap();
        assert_eq!(token.expose().len(), 48);
        assert!(!format!("{token:?}").contains(token.expose()));
        assert_ne!(token.expose(), Token::random().unwrap().expose());
    }

    #[test]
    fn names_us_or_does_not() {
        let names = ["desk.example".to_owned()];
        let cases = [
            ("127.0.0.1:9100", "127.0.0.1:9100", true),
            ("127.0.0.1:9100", "localhost:9100", true),
            ("127.0.0.1:9100", "LOCALHOST", true),
            ("127.0.0.1:9100", "[::1]:9100", true),
            ("127.0.0.1:9100", "desk.example:9100", true),
            ("127.0.0.1:9100", "10.0.0.5:9100", false),
            ("127.0.0.1:9100", "evil.example", false),
            ("127.0.0.1:9100", "localhost.evil.example", false),
            ("127.0.0.1:9100", "127.0.0.1.evil.example:9100", false),
            ("127.0.0.1:9100", "", false),
            ("10.0.0.5:9100", "10.0.0.5:9100", true),
            ("10.0.0.5:9100", "10.0.0.6:9100", false),
            ("0.0.0.0:9100", "10.0.0.6:9100", true),
            ("0.0.0.0:9100", "evil.example:9100", false),
        ];
        for (address, host, expected) in cases {
            let site = Site::new(address.parse().unwrap());
            assert_eq!(site.is_named(host, &names), expected, "{host} at {address}");
        }
    }

    #[test]
    fn another_page_is_not_ours() {
        let host = "localhost:9100";
        assert!(is_own_origin("http://localhost:9100", host));
        for origin in ["null", "http://evil.example", "http://localhost:3000", "localhost:9100"] {
            assert!(!is_own_origin(origin, host), "{origin}");
        }
    }

    #[test]
    fn only_this_machine_reads_without_a_token() {
        let token = Token::new("0123456789abcdef").unwrap();
        let right = ("authorization", "Bearer 0123456789abcdef");
        type Pairs<'a> = &'a [(&'static str, &'a str)];
        let cases: [(&str, Pairs<'_>, Identity); 10] = [
            ("127.0.0.1", &[], Identity::Local),
            ("::1", &[], Identity::Local),
            ("::ffff:127.0.0.1", &[], Identity::Local),
            ("127.0.0.1", &[("x-forwarded-for", "1.2.3.4")], Identity::Stranger),
            ("127.0.0.1", &[("forwarded", "for=1.2.3.4")], Identity::Stranger),
            ("10.0.0.7", &[], Identity::Stranger),
            ("10.0.0.7", &[right], Identity::Operator),
            ("127.0.0.1", &[("authorization", "Bearer 0123456789abcdeX")], Identity::Impostor),
            ("127.0.0.1", &[("authorization", "Basic 0123456789abcdef")], Identity::Impostor),
            ("127.0.0.1", &[("authorization", "Bearer")], Identity::Impostor),
        ];
        for (peer, pairs, expected) in cases {
            let found = identify(&token, peer.parse().unwrap(), &headers(pairs));
            assert_eq!(found, expected, "{peer} {pairs:?}");
        }
    }
}
