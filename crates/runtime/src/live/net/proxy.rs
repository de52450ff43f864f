//! Which way a host is reached: directly, or through a proxy that the configuration or the
//! environment names.
//!
//! The variables are those that every command-line tool honours. Loopback is never proxied on their
//! account: nobody means a simulated exchange on this machine when setting them. A proxy in the
//! configuration is meant for everything.

use std::net::IpAddr;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::dial::Place;

/// The way to a host.
#[derive(Clone, Debug)]
pub(super) enum Via {
    Direct,
    /// `CONNECT`.
    Http {
        proxy: Place,
        auth: Option<HeaderValue>,
    },
    /// SOCKS 5; the proxy resolves the name.
    Socks {
        proxy: Place,
        auth: Option<(String, String)>,
    },
}

/// Proxies by configuration and environment.
pub(super) struct Proxies {
    /// For everything, loopback included.
    pub(super) configured: Option<String>,
    /// `HTTPS_PROXY`, for TLS.
    pub(super) https: Option<String>,
    /// `HTTP_PROXY`, for the rest.
    pub(super) http: Option<String>,
    /// `ALL_PROXY`, where the two say nothing.
    pub(super) all: Option<String>,
    /// `NO_PROXY`: hosts, domains and networks to be reached directly all the same.
    pub(super) none: Option<String>,
}

/// A proxy that cannot be used. Its address is not repeated: it may hold a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadProxy {
    /// Where it is set.
    pub(super) setting: &'static str,
    /// What is wrong.
    pub(super) reason: &'static str,
}

impl Proxies {
    /// Reads the environment; an empty variable is as good as none.
    pub(super) fn from_env(configured: Option<String>) -> Self {
        let read = |name: &str| {
            let set = [name.to_owned(), name.to_lowercase()].into_iter();
            set.filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty())
        };
        Self {
            configured,
            https: read("HTTPS_PROXY"),
            http: read("HTTP_PROXY"),
            all: read("ALL_PROXY"),
            none: read("NO_PROXY"),
        }
    }

    /// The way to a host.
    pub(super) fn via(&self, place: &Place) -> Result<Via, BadProxy> {
        if let Some(text) = &self.configured {
            return parse("exchange.proxy", text);
        }
        let (setting, own) =
            if place.tls { ("HTTPS_PROXY", &self.https) } else { ("HTTP_PROXY", &self.http) };
        let (setting, text) = match (own, &self.all) {
            (Some(text), _) => (setting, text),
            (None, Some(text)) => ("ALL_PROXY", text),
            (None, None) => return Ok(Via::Direct),
        };
        if is_loopback(&place.host) || self.excludes(place) {
            return Ok(Via::Direct);
        }
        parse(setting, text)
    }

    fn excludes(&self, place: &Place) -> bool {
        let Some(none) = &self.none else {
            return false;
        };
        let matcher = Matcher::builder().all("http://proxy").no(none.as_str()).build();
        match format!("http://{}/", place.authority()).parse::<Uri>() {
            Ok(uri) => matcher.intercept(&uri).is_none(),
            Err(_) => false,
        }
    }
}

fn parse(setting: &'static str, text: &str) -> Result<Via, BadProxy> {
    let bad = |reason| BadProxy { setting, reason };
    let any = Uri::from_static("http://venue/");
    let intercept: Intercept = Matcher::builder()
        .all(text)
        .build()
        .intercept(&any)
        .ok_or_else(|| bad("it is not http://HOST:PORT or socks5://HOST:PORT"))?;
    let (uri, scheme) = (intercept.uri(), intercept.uri().scheme_str().unwrap_or_default());
    let place = |port: u16| {
        let named = uri.authority().and_then(|authority| Place::named(false, authority, port));
        named.ok_or_else(|| bad("it has no host, or a port that is none"))
    };
    match scheme {
        "http" => Ok(Via::Http { proxy: place(80)?, auth: intercept.basic_auth().cloned() }),
        "socks5" | "socks5h" => {
            let auth = intercept.raw_auth().map(|(user, pass)| (user.to_owned(), pass.to_owned()));
            Ok(Via::Socks { proxy: place(1080)?, auth })
        }
        _ => Err(bad("only http:// and socks5:// proxies are spoken to")),
    }
}

/// Whether a host, without brackets, is this machine by name or address.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        Proxies { configured: None, https: None, http: None, all: None, none: None }
    }

    fn shown(proxies: &Proxies, url: &str) -> String {
        match proxies.via(&Place::of(url).unwrap()) {
            Ok(Via::Direct) => "direct".to_owned(),
            Ok(Via::Http { proxy, auth }) => {
                format!("http {} {:?}", proxy.authority(), auth.map(|auth| auth.is_sensitive()))
            }
            Ok(Via::Socks { proxy, auth }) => format!("socks {} {auth:?}", proxy.authority()),
            Err(bad) => format!("{}: {}", bad.setting, bad.reason),
        }
    }

    #[test]
    fn variables_are_honoured_as_elsewhere() {
        let some = |text: &str| Some(text.to_owned());
        let venue = "https://fapi.binance.com";
        let cases: [(Proxies, &str, &str); 12] = [
            (proxies(), venue, "direct"),
            (Proxies { https: some("http://p:3128"), ..proxies() }, venue, "http p:3128 None"),
            (Proxies { https: some("p:3128"), ..proxies() }, venue, "http p:3128 None"),
            (Proxies { http: some("http://p:3128"), ..proxies() }, venue, "direct"),
            (Proxies { http: some("http://p"), ..proxies() }, "ws://venue", "http p:80 None"),
            (Proxies { all: some("http://u:w@p:1"), ..proxies() }, venue, "http p:1 Some(true)"),
            (Proxies { all: some("socks5://p"), ..proxies() }, venue, "socks p:1080 None"),
            (
                Proxies { all: some("socks5h://u:%77@p:9"), ..proxies() },
                "wss://fstream.binance.com",
                r#"socks p:9 Some(("u", "w"))"#,
            ),
            (
                Proxies { https: some("http://p"), none: some(".binance.com"), ..proxies() },
                venue,
                "direct",
            ),
            (
                Proxies {
                    https: some("http://p"),
                    none: some("ance.com, 10.0.0.0/8"),
                    ..proxies()
                },
                venue,
                "http p:80 None",
            ),
            (Proxies { all: some("http://p"), none: some("*"), ..proxies() }, venue, "direct"),
            (
                Proxies { all: some("http://p"), none: some("10.0.0.0/8"), ..proxies() },
                "http://10.1.2.3:8080",
                "direct",
            ),
        ];
        for (proxies, url, wanted) in cases {
            assert_eq!(shown(&proxies, url), wanted, "{url}");
        }
    }

    #[test]
    fn loopback_is_proxied_only_on_demand() {
        let all = Proxies { all: Some("http://p".to_owned()), ..proxies() };
        let demanded = Proxies { configured: Some("http://p:8".to_owned()), ..proxies() };
        for url in ["http://127.0.0.1:8080", "ws://localhost:1", "http://[::1]:8080"] {
            assert_eq!(shown(&all, url), "direct", "{url}");
            assert_eq!(shown(&demanded, url), "http p:8 None", "{url}");
        }
        assert_eq!(shown(&all, "http://127.0.0.1.evil:80"), "http p:80 None");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_never_passed_over() {
        for text in ["htp://p:1", "https://p:1", "socks4://p", "http://", "a b", "http://p:x"] {
            let https = Proxies { https: Some(text.to_owned()), ..proxies() };
            let shown = shown(&https, "https://fapi.binance.com");
            assert!(shown.starts_with("HTTPS_PROXY: "), "{text}: {shown}");
        }
    }
}
