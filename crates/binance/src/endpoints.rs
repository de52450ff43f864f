//! Where everything lives: hosts, routes, stream names (facts, sections 1 and 7).

use market::Nanos;

/// Which socket a stream comes from. A stream asked for on the wrong route is acknowledged and
/// never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// Book: `bookTicker`, `depth`.
    Public,
    /// Everything else about the market.
    Market,
    /// Our account.
    Private,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Public, Self::Market, Self::Private];

    /// The path element.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Market => "market",
            Self::Private => "private",
        }
    }
}

/// A market stream of one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Changes of the book, each 100 ms.
    Depth,
    /// The top so many levels (5, 10, 20), each 100 ms.
    PartialDepth(u8),
    /// Best bid and ask in real time.
    BookTicker,
    /// Trades, gathered over 100 ms by price and taker.
    AggTrade,
    /// Single trades. Undocumented; its route is not sure.
    Trade,
    /// Mark price and funding, each second.
    MarkPrice,
    /// Liquidations.
    ForceOrder,
    /// Candles of a minute.
    Candles,
}

impl Stream {
    /// Which socket it comes from.
    pub const fn route(self) -> Route {
        match self {
            Self::Depth | Self::PartialDepth(_) | Self::BookTicker => Route::Public,
            Self::AggTrade | Self::Trade | Self::MarkPrice | Self::ForceOrder | Self::Candles => {
                Route::Market
            }
        }
    }

    /// Its name for a symbol, in lower case as the venue demands.
    pub fn name(self, symbol: &str) -> String {
        let symbol = symbol.to_lowercase();
        match self {
            Self::Depth => format!("{symbol}@depth@100ms"),
            Self::PartialDepth(levels) => format!("{symbol}@depth{levels}@100ms"),
            Self::BookTicker => format!("{symbol}@bookTicker"),
            Self::AggTrade => format!("{symbol}@aggTrade"),
            Self::Trade => format!("{symbol}@trade"),
            Self::MarkPrice => format!("{symbol}@markPrice@1s"),
            Self::ForceOrder => format!("{symbol}@forceOrder"),
            Self::Candles => format!("{symbol}@kline_1m"),
        }
    }
}

/// How market sockets are addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    /// `/public`, `/market`, `/private` in front, one socket each; mandatory on mainnet.
    Routed,
    /// One socket for everything, as it was before 2026-04.
    Legacy,
}

/// Which money it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Real.
    Mainnet,
    /// Play money of the venue.
    Demo,
    /// A simulated exchange, or anything else given by address.
    Custom,
}

/// The addresses of a venue. No other host is ever contacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Which money it is.
    pub network: Network,
    /// REST, without a slash at the end.
    pub rest: String,
    /// Sockets of market and account, without a slash at the end.
    pub streams: String,
    /// The WS API.
    pub ws_api: String,
    /// Where the rights of a key are told, without a slash at the end; not everywhere.
    pub permissions: Option<String>,
    /// How sockets are addressed.
    pub paths: Paths,
}

/// A base address that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBase {
    /// Not an address.
    #[error("`{0}` is not a base address: wanted http://HOST:PORT or https://HOST, without a path")]
    Form(String),
    /// A host of the venue itself, spelled so that which money it is cannot be told.
    #[error("`{0}` belongs to the venue: choose the network by name (mainnet, demo, testnet)")]
    Venue(String),
}

/// Whatever is below these is the venue's own.
const DOMAINS: [&str; 3] = ["binance.com", "binancefuture.com", "binance.us"];

impl Endpoints {
    /// Real money.
    pub fn mainnet() -> Self {
        Self {
            network: Network::Mainnet,
            rest: "https://fapi.binance.com".to_owned(),
            streams: "wss://fstream.binance.com".to_owned(),
            ws_api: "wss://ws-fapi.binance.com/ws-fapi/v1".to_owned(),
            permissions: Some("https://api.binance.com".to_owned()),
            paths: Paths::Routed,
        }
    }

    /// Play money, under the present name.
    pub fn demo() -> Self {
        Self {
            network: Network::Demo,
            rest: "https://demo-fapi.binance.com".to_owned(),
            streams: "wss://demo-fstream.binance.com".to_owned(),
            ws_api: "wss://testnet.binancefuture.com/ws-fapi/v1".to_owned(),
            permissions: None,
            paths: Paths::Routed,
        }
    }

    /// Play money, under the name of before: the same backend, unrouted sockets.
    pub fn testnet() -> Self {
        Self {
            rest: "https://testnet.binancefuture.com".to_owned(),
            streams: "wss://fstream.binancefuture.com".to_owned(),
            paths: Paths::Legacy,
            ..Self::demo()
        }
    }

    /// Everything under one address, as `trader exchange` serves it. The address of a network of the
    /// venue is that network.
    ///
    /// # Errors
    /// [`BadBase`] when it is no `http(s)://host[:port]`, or any other spelling or host of the venue.
    pub fn custom(base: &str) -> Result<Self, BadBase> {
        let trimmed = base.trim().trim_end_matches('/');
        let bad = || BadBase::Form(base.to_owned());
        let (scheme, host) = trimmed.split_once("://").ok_or_else(bad)?;
        let socket = match scheme {
            "http" => "ws",
            "https" => "wss",
            _ => return Err(bad()),
        };
        let allowed =
            |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
        if host.is_empty() || !host.chars().all(allowed) {
            return Err(bad());
        }
        // The venue's own hosts are real money whoever spells them.
        let known = [Self::mainnet(), Self::demo(), Self::testnet()];
        if let Some(known) = known.into_iter().find(|known| known.rest == trimmed) {
            return Ok(known);
        }
        let name = host_name(host);
        let is_below = |domain: &str| name.strip_suffix(domain).is_some_and(is_subdomain);
        if DOMAINS.iter().any(|domain| is_below(domain)) {
            return Err(BadBase::Venue(base.to_owned()));
        }
        Ok(Self {
            network: Network::Custom,
            rest: trimmed.to_owned(),
            streams: format!("{socket}://{host}"),
            ws_api: format!("{socket}://{host}/ws-fapi/v1"),
            permissions: Some(trimmed.to_owned()),
            paths: Paths::Routed,
        })
    }

    /// The same with sockets as they were before 2026-04.
    #[must_use]
    pub fn legacy(self) -> Self {
        Self { paths: Paths::Legacy, ..self }
    }

    /// Address of a request.
    pub fn rest_url(&self, target: &str) -> String {
        format!("{}{target}", self.rest)
    }

    /// Address of a market socket with these streams, each frame wrapped in its stream's name.
    ///
    /// On legacy paths the route does not matter and every stream fits on one socket.
    pub fn market_url<'a>(
        &self,
        route: Route,
        streams: impl IntoIterator<Item = &'a str>,
    ) -> String {
        let names: Vec<String> = streams.into_iter().map(encode).collect();
        format!("{}{}/stream?streams={}", self.streams, self.prefix(route), names.join("/"))
    }

    /// Address of the account's socket. Holds a secret: print it through
    /// [`redact`](crate::redact::redact).
    pub fn user_url(&self, listen_key: &str) -> String {
        format!("{}{}/ws/{}", self.streams, self.prefix(Route::Private), encode(listen_key))
    }

    /// Address of the WS API; `counters` asks for the rate-limit counters in replies.
    pub fn ws_api_url(&self, counters: bool) -> String {
        format!("{}?returnRateLimits={counters}", self.ws_api)
    }

    /// Sorts streams by the socket they belong on: one group per route, or one in all.
    pub fn sockets(&self, streams: &[(Stream, &str)]) -> Vec<(Route, Vec<String>)> {
        let name = |&(stream, symbol): &(Stream, &str)| stream.name(symbol);
        if self.paths == Paths::Legacy {
            return vec![(Route::Public, streams.iter().map(name).collect())];
        }
        let group = |route| {
            let of_route = streams.iter().filter(|(stream, _)| stream.route() == route);
            (route, of_route.map(name).collect::<Vec<_>>())
        };
        Route::ALL.map(group).into_iter().filter(|(_, names)| !names.is_empty()).collect()
    }

    fn prefix(&self, route: Route) -> String {
        match self.paths {
            Paths::Routed => format!("/{}", route.name()),
            Paths::Legacy => String::new(),
        }
    }
}

/// A host without its port, as names are compared: in lower case, without the dot of the root.
fn host_name(authority: &str) -> String {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => authority,
    };
    name.trim_end_matches('.').to_lowercase()
}

/// Whether what stands before a domain makes it the domain itself or something below it.
fn is_subdomain(before: &str) -> bool {
    before.is_empty() || before.ends_with('.')
}

fn encode(text: &str) -> String {
    // `@` and `!` belong to the names and stand for themselves in a query.
    let mut out = String::with_capacity(text.len());
    for (index, part) in text.split('@').enumerate() {
        if index > 0 {
            out.push('@');
        }
        let (bang, rest) = part.strip_prefix('!').map_or(("", part), |rest| ("!", rest));
        out.push_str(bang);
        crate::rest::encode_into(rest, &mut out);
    }
    out
}

/// A connection lives a day at most; it is replaced this long after it was opened.
pub fn replace_at(opened: Nanos) -> Nanos {
    opened + std::time::Duration::from_secs(23 * 3_600)
}

/// A subscription request on a market socket. Names are not checked by the venue: an unknown one
/// is acknowledged and silent.
pub fn subscribe_frame(id: u64, subscribe: bool, streams: &[String]) -> String {
    let method = if subscribe { "SUBSCRIBE" } else { "UNSUBSCRIBE" };
    serde_json::json!({ "method": method, "params": streams, "id": id }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_is_asked_for_where_it_is_sent() {
        let all = [
            (Stream::Depth, "ETHUSDC"),
            (Stream::AggTrade, "ETHUSDC"),
            (Stream::BookTicker, "ETHUSDC"),
            (Stream::MarkPrice, "币安人生USDT"),
        ];
        let routed = Endpoints::mainnet();
        let urls: Vec<String> = routed
            .sockets(&all)
            .iter()
            .map(|(route, names)| routed.market_url(*route, names.iter().map(String::as_str)))
            .collect();
        assert_eq!(
            urls,
            [
                "wss://fstream.binance.com/public/stream?streams=ethusdc@depth@100ms/ethusdc@bookTicker",
                "wss://fstream.binance.com/market/stream?streams=ethusdc@aggTrade/\
                 %E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@markPrice@1s",
            ]
        );
        let legacy = Endpoints::testnet();
        assert_eq!(legacy.sockets(&all).len(), 1);
        assert_eq!(legacy.user_url("abc"), "wss://fstream.binancefuture.com/ws/abc");
        assert_eq!(routed.user_url("abc"), "wss://fstream.binance.com/private/ws/abc");
    }

    #[test]
    fn one_address_gives_all() {
        let sim = Endpoints::custom("http://127.0.0.1:8080/").unwrap();
        assert_eq!(sim.rest_url("/fapi/v1/time"), "http://127.0.0.1:8080/fapi/v1/time");
        assert_eq!(sim.ws_api_url(true), "ws://127.0.0.1:8080/ws-fapi/v1?returnRateLimits=true");
        assert_eq!(sim.clone().legacy().user_url("k"), "ws://127.0.0.1:8080/ws/k");
        assert_eq!(sim.network, Network::Custom);
        let spelled = Endpoints::custom("https://fapi.binance.com").unwrap();
        assert_eq!(spelled, Endpoints::mainnet(), "real money stays real money");
        for known in [Endpoints::mainnet(), Endpoints::demo(), Endpoints::testnet()] {
            assert_eq!(Endpoints::custom(&format!("{}/", known.rest)), Ok(known));
        }
        for spelling in [
            "http://fapi.binance.com",
            "https://FAPI.binance.com",
            "https://fapi.binance.com:443",
            "https://fapi.binance.com.",
            "http://fapi.binance.com.:80",
            "https://fstream.binance.com",
            "https://fapi1.binance.com",
            "http://binance.com",
            "https://x.BINANCE.us",
            "http://testnet.binancefuture.com",
        ] {
            let refused = Endpoints::custom(spelling);
            assert_eq!(refused, Err(BadBase::Venue(spelling.to_owned())));
        }
        for other in ["http://notbinance.com", "http://binance.com.example:1", "http://[::1]:80"] {
            assert_eq!(Endpoints::custom(other).unwrap().network, Network::Custom, "{other}");
        }
        for bad in ["", "127.0.0.1:8080", "ftp://x", "http://", "http://a/b", "http://a b"] {
            assert!(Endpoints::custom(bad).is_err(), "{bad}");
        }
    }
}
