//! From a host to a connection, for requests and sockets alike: proxies, certificates and the check
//! of the host hold for both because there is no other way out.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::http::uri::Authority;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tower_service::Service;

use super::proxy::{Proxies, Via};
use super::wire::{LastRead, Tcp, Wire};
use super::{NetConfig, NetError, tls};

/// Addresses of one host that are tried; the time for all of them is limited besides.
const ADDRESSES_MAX: usize = 8;
/// Silence after which the kernel asks whether the other side is there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Between two such questions.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(5);

/// A place to connect to. TLS is part of it: a host known over TLS is not to be talked to without.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) tls: bool,
    /// In lower case and without the brackets of IPv6.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Place {
    fn new(tls: bool, host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Self { tls, host: bare.to_ascii_lowercase(), port }
    }

    /// Where an address of http, https, ws or wss leads.
    pub(super) fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let (tls, port) = match uri.scheme_str()? {
            "http" | "ws" => (false, 80),
            "https" | "wss" => (true, 443),
            _ => return None,
        };
        Self::named(tls, uri.authority()?, port)
    }

    /// What an authority names; `port` if it names none.
    pub(super) fn named(tls: bool, authority: &Authority, port: u16) -> Option<Self> {
        // Read here because there a port that is no number counts as none.
        let port = match authority.as_str().rsplit_once(authority.host())?.1 {
            "" => port,
            given => given.strip_prefix(':')?.parse().ok()?,
        };
        Some(Self::new(tls, authority.host(), port)).filter(|place| !place.host.is_empty())
    }

    /// `HOST:PORT`, as `CONNECT` wants it.
    pub(super) fn authority(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority())
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("{0} is none of the configured hosts")]
    Foreign(Place),
    #[error("{place}: {reason}")]
    Failed { place: Place, reason: String },
}

/// Connects to the configured hosts, and to no others.
pub(super) struct Dialer {
    places: BTreeMap<Place, Via>,
    tls: TlsConnector,
    each_address: Duration,
}

impl Dialer {
    pub(super) fn new(config: &NetConfig) -> Result<Self, NetError> {
        let proxies = Proxies::from_env(config.proxy.clone());
        let mut places = BTreeMap::new();
        for base in config.bases() {
            let place = Place::of(base).ok_or_else(|| NetError::Address(base.to_owned()))?;
            let via = proxies
                .via(&place)
                .map_err(|bad| NetError::Proxy { setting: bad.setting, reason: bad.reason })?;
            places.insert(place, via);
        }
        let tls = tls::connector(config.ca_file.as_deref())?;
        Ok(Self { places, tls, each_address: config.limits.each_address })
    }

    /// A connection, with TLS if the place wants it.
    pub(super) async fn dial(&self, place: &Place) -> Result<(Wire, LastRead), DialError> {
        let via = self.places.get(place).ok_or_else(|| DialError::Foreign(place.clone()))?;
        let failed = |reason: String| DialError::Failed { place: place.clone(), reason };
        let tcp = self.tunnel(place, via).await.map_err(failed)?;
        let last_read = tcp.last_read();
        if !place.tls {
            return Ok((Wire::Plain(tcp), last_read));
        }
        let name = ServerName::try_from(place.host.clone())
            .map_err(|_| failed("not a name that a certificate could have".to_owned()))?;
        let secured = self.tls.connect(name, tcp).await;
        let stream = secured.map_err(|error| failed(format!("no TLS: {error}")))?;
        Ok((Wire::Tls(Box::new(stream)), last_read))
    }

    async fn tunnel(&self, place: &Place, via: &Via) -> Result<Tcp, String> {
        match via {
            Via::Direct => self.connect(place).await,
            Via::Http { proxy, auth } => {
                let mut tunnel = Tunnel::new(Uri::default(), self.reach(proxy).await?);
                if let Some(auth) = auth {
                    tunnel = tunnel.with_auth(auth.clone());
                }
                let through = tunnel.call(beyond(place)?).await;
                Ok(through.map_err(|error| told(proxy, &error))?.into_inner())
            }
            Via::Socks { proxy, auth } => {
                let mut socks = SocksV5::new(Uri::default(), self.reach(proxy).await?);
                if let Some((user, password)) = auth {
                    socks = socks.with_auth(user.clone(), password.clone());
                }
                let through = socks.call(beyond(place)?).await;
                Ok(through.map_err(|error| told(proxy, &error))?.into_inner())
            }
        }
    }

    async fn reach(&self, proxy: &Place) -> Result<Connected, String> {
        let connected = self.connect(proxy).await;
        Ok(Connected(Some(TokioIo::new(connected.map_err(|reason| told(proxy, &reason))?))))
    }

    /// Tries the addresses of a host in turn.
    async fn connect(&self, place: &Place) -> Result<Tcp, String> {
        let found = lookup_host((place.host.as_str(), place.port)).await;
        let addresses = found.map_err(|error| format!("cannot be resolved: {error}"))?;
        let mut failure = "has no address".to_owned();
        for address in addresses.take(ADDRESSES_MAX) {
            match timeout(self.each_address, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => match prepare(&stream) {
                    Ok(()) => return Ok(Tcp::new(stream)),
                    Err(error) => failure = error.to_string(),
                },
                Ok(Err(error)) => failure = format!("cannot connect to {}: {error}", address.ip()),
                Err(_) => failure = format!("cannot connect to {}: no answer", address.ip()),
            }
        }
        Err(failure)
    }
}

fn told(proxy: &Place, what: &dyn fmt::Display) -> String {
    format!("proxy {proxy}: {what}")
}

/// What a proxy is asked for.
fn beyond(place: &Place) -> Result<Uri, String> {
    format!("http://{place}/").parse().map_err(|_| "not a host that a proxy could reach".to_owned())
}

/// Small messages leave at once, and a peer that vanished is noticed.
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

/// The connection to a proxy as the tunnels take it: from a service that has it already.
struct Connected(Option<TokioIo<Tcp>>);

impl Service<Uri> for Connected {
    type Response = TokioIo<Tcp>;
    type Error = std::io::Error;
    type Future = Ready<std::io::Result<TokioIo<Tcp>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let gone = || std::io::Error::other("the connection was taken already");
        ready(self.0.take().ok_or_else(gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_where_its_authority_says() {
        for (url, wanted) in [
            ("https://fapi.binance.com/fapi/v1/time", Some((true, "fapi.binance.com:443"))),
            ("wss://FAPI.Binance.com:9443/ws/x?y=@z", Some((true, "fapi.binance.com:9443"))),
            ("ws://[::1]:8080/stream", Some((false, "[::1]:8080"))),
            ("ws://[::1]/", Some((false, "[::1]:80"))),
            ("wss://fapi.binance.com@evil.example/", Some((true, "evil.example:443"))),
            ("wss://evil.example/@fapi.binance.com", Some((true, "evil.example:443"))),
            ("wss://fapi.binance.com:443@evil.example:1/", Some((true, "evil.example:1"))),
            ("wss://fapi.binance.com.:443/", Some((true, "fapi.binance.com.:443"))),
            ("ftp://fapi.binance.com", None),
            ("https://:443/", None),
            ("https://host:99999/", None),
            ("https://host:/", None),
            ("/fapi/v1/time", None),
            ("", None),
        ] {
            let place = Place::of(url);
            let shown = place.as_ref().map(|place| (place.tls, place.authority()));
            assert_eq!(shown, wanted.map(|(tls, text)| (tls, text.to_owned())), "{url}");
        }
    }
}
