//! From the text of a scalar to a typed value and back; no number passes through another type.

use std::cmp::Ordering;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use market::Decimal;

use super::secret::{MASK, Secret};

/// How a value is written, for schema, documents and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// Whole number between two limits of its type.
    Whole(u64),
    /// Number that feeds strategy formulas only.
    Fraction,
    /// Exact decimal: money, quantities, limits.
    Decimal,
    /// Whole number with a unit: `250ms`, `5s`, `5m`, `1h`, `1d`.
    Duration,
    /// Free text.
    Text,
    /// Name of something of ours.
    Name,
    /// Path of a file or directory.
    Path,
    /// `host:port`.
    Address,
    /// One word of several.
    Choice(&'static [&'static str]),
    /// List of words, each of several.
    Choices(&'static [&'static str]),
    /// `http://HOST:PORT` or `https://HOST`.
    Url,
    /// `SYMBOL mainnet`.
    Arm,
    /// Text that is never shown.
    Secret,
}

impl Kind {
    /// What to write, for a fault; a range is added by the caller.
    pub(super) fn wanted(self) -> String {
        match self {
            Self::Flag => String::from("true or false"),
            Self::Whole(_) => String::from("a whole number"),
            Self::Fraction => String::from("a number"),
            Self::Decimal => String::from("a number with at most 8 decimals"),
            Self::Duration => String::from("a whole number with ms, s, m, h or d"),
            Self::Text => String::from("a symbol: 2 to 20 capital letters, digits and underscores"),
            Self::Name => String::from("1 to 20 small letters, digits, dashes and underscores"),
            Self::Path => String::from("a path"),
            Self::Address => String::from("an IP address and a port"),
            Self::Choice(words) => one_of(words),
            Self::Choices(words) => format!("a list of {}, each once", one_of(words)),
            Self::Url => String::from("http://HOST:PORT or https://HOST, without a path"),
            Self::Arm => String::from("the symbol and the word mainnet"),
            Self::Secret => String::from("printable ASCII without spaces"),
        }
    }
}

/// Why a text is no value of the kind wanted, or what to write instead; may be empty.
pub(super) type Hint = String;

/// A type that a key can have.
pub(super) trait Scalar: Sized + PartialOrd {
    const KIND: Kind;

    fn parse(text: &str) -> Result<Self, Hint>;
    /// The text that `parse` reads back; `None` where nothing must be written.
    fn show(&self) -> Option<String>;
}

/// A field of the configuration, whatever its type: what the table of keys is bound to.
pub(super) trait Setting {
    fn kind(&self) -> Kind;
    fn read(&mut self, text: &str) -> Result<(), Hint>;
    fn show(&self) -> Option<String>;
    /// How the value compares with a bound of its range.
    fn compare(&self, bound: &str) -> Option<Ordering>;
}

impl<T: Scalar> Setting for T {
    fn kind(&self) -> Kind {
        T::KIND
    }

    fn read(&mut self, text: &str) -> Result<(), Hint> {
        *self = T::parse(text)?;
        Ok(())
    }

    fn show(&self) -> Option<String> {
        Scalar::show(self)
    }

    fn compare(&self, bound: &str) -> Option<Ordering> {
        self.partial_cmp(&T::parse(bound).ok()?)
    }
}

impl<T: Scalar> Setting for Option<T> {
    fn kind(&self) -> Kind {
        T::KIND
    }

    fn read(&mut self, text: &str) -> Result<(), Hint> {
        *self = Some(T::parse(text)?);
        Ok(())
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(Scalar::show)
    }

    fn compare(&self, bound: &str) -> Option<Ordering> {
        self.as_ref().and_then(|value| value.compare(bound))
    }
}

impl Scalar for bool {
    const KIND: Kind = Kind::Flag;

    fn parse(text: &str) -> Result<Self, Hint> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            "yes" | "on" | "True" | "TRUE" => Err(String::from("did you mean true?")),
            "no" | "off" | "False" | "FALSE" => Err(String::from("did you mean false?")),
            _ => Err(Hint::new()),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// Refuses spellings that other readers of YAML take for something else: `010` is eight to some.
fn unambiguous(number: &str) -> Result<(), Hint> {
    if let Some(rest) = number.strip_prefix('+') {
        return Err(format!("write {rest} without the plus"));
    }
    let digits = number.strip_prefix('-').unwrap_or(number);
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    let follows = digits[zeros..].starts_with(|c: char| c.is_ascii_digit());
    if zeros > 1 || (zeros == 1 && follows) {
        return Err(String::from("write it without leading zeros"));
    }
    Ok(())
}

/// Digits only: no sign, exponent or separators.
fn whole<T: TryFrom<u64>>(text: &str) -> Result<T, Hint> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(String::from("write digits only"));
    }
    unambiguous(text)?;
    let number = text.parse::<u64>().ok().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(Hint::new)
}

impl Scalar for u64 {
    const KIND: Kind = Kind::Whole(u64::MAX);

    fn parse(text: &str) -> Result<Self, Hint> {
        whole(text)
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Scalar for u32 {
    const KIND: Kind = Kind::Whole(u32::MAX as u64);

    fn parse(text: &str) -> Result<Self, Hint> {
        whole(text)
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Scalar for u16 {
    const KIND: Kind = Kind::Whole(u16::MAX as u64);

    fn parse(text: &str) -> Result<Self, Hint> {
        whole(text)
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Scalar for f64 {
    const KIND: Kind = Kind::Fraction;

    fn parse(text: &str) -> Result<Self, Hint> {
        let unfit = || String::from("write it plainly, such as 0.001");
        // The standard parser also takes 'inf', 'nan' and 'infinity'.
        if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'))
        {
            return Err(unfit());
        }
        unambiguous(text)?;
        let number: f64 = text.parse().map_err(|_| unfit())?;
        // -0.0 would print and hash differently from 0.
        if number.is_finite() { Ok(number + 0.0) } else { Err(unfit()) }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Scalar for Decimal {
    const KIND: Kind = Kind::Decimal;

    fn parse(text: &str) -> Result<Self, Hint> {
        unambiguous(text)?;
        text.parse().map_err(|error: market::DecimalError| error.to_string())
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// Units of a duration with their length in milliseconds, longest first.
const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Scalar for Duration {
    const KIND: Kind = Kind::Duration;

    fn parse(text: &str) -> Result<Self, Hint> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let length = DURATION_UNITS.iter().find(|(name, _)| *name == unit);
        if number.is_empty() {
            return Err(String::from("such as 250ms, 5s, 5m or 1h"));
        }
        unambiguous(number)?;
        let Some((_, length)) = length else {
            return Err(match unit {
                "" => format!("add the unit, such as {number}s"),
                _ => String::from("such as 250ms, 5s, 5m or 1h"),
            });
        };
        let milliseconds = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*length));
        match milliseconds {
            Some(milliseconds) => Ok(Self::from_millis(milliseconds)),
            None => Err(String::from("the number is too large")),
        }
    }

    fn show(&self) -> Option<String> {
        let milliseconds = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let fits = |length: u64| milliseconds >= length && milliseconds.is_multiple_of(length);
        let (unit, length) =
            DURATION_UNITS.into_iter().find(|(_, l)| fits(*l)).unwrap_or(("ms", 1));
        Some(format!("{}{unit}", milliseconds / length))
    }
}

impl Scalar for String {
    const KIND: Kind = Kind::Text;

    fn parse(text: &str) -> Result<Self, Hint> {
        // The one free text is the symbol.
        let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if (2..=20).contains(&text.len()) && text.chars().all(fits) {
            return Ok(text.to_owned());
        }
        let upper = text.to_uppercase().replace(['/', '-'], "");
        if upper != text && (2..=20).contains(&upper.len()) && upper.chars().all(fits) {
            return Err(format!("did you mean {upper}?"));
        }
        Err(String::from("such as ETHUSDC"))
    }

    fn show(&self) -> Option<String> {
        Some(self.clone())
    }
}

/// Name of something of ours: small letters, digits, dashes and underscores.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd)]
pub struct Name(String);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for Name {
    const KIND: Kind = Kind::Name;

    fn parse(text: &str) -> Result<Self, Hint> {
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if (1..=20).contains(&text.len()) && text.chars().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(String::from("such as desk-1"))
    }

    fn show(&self) -> Option<String> {
        Some(self.0.clone())
    }
}

impl Scalar for PathBuf {
    const KIND: Kind = Kind::Path;

    fn parse(text: &str) -> Result<Self, Hint> {
        if text.is_empty() || text.contains('\0') {
            return Err(String::from("such as /var/lib/market-maker"));
        }
        Ok(Self::from(text))
    }

    fn show(&self) -> Option<String> {
        // Paths come from text only, so nothing is lost.
        Some(self.to_string_lossy().into_owned())
    }
}

impl Scalar for SocketAddr {
    const KIND: Kind = Kind::Address;

    fn parse(text: &str) -> Result<Self, Hint> {
        text.parse().map_err(|_| match text.strip_prefix("localhost:") {
            Some(port) => format!("did you mean 127.0.0.1:{port}?"),
            None => String::from("such as 127.0.0.1:9100"),
        })
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// Whether a text is a host, by name or address, and perhaps a port.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("", port.strip_prefix(':').or(port.is_empty().then_some("0")))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("0")),
        },
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let is_named = text.starts_with('[') || (!host.is_empty() && host.chars().all(fits));
    is_named && port.is_some_and(|port| whole::<u16>(port).is_ok())
}

/// Whether a text is the address of a proxy that is spoken to, perhaps with user and password.
pub(super) fn is_proxy(text: &str) -> bool {
    let schemes = ["http://", "socks5://", "socks5h://"];
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    let rest = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    rest.map(|rest| rest.rsplit_once('@').map_or(rest, |(_, host)| host)).is_some_and(is_authority)
}

/// `http://HOST:PORT` or `https://HOST`, without a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for BaseUrl {
    const KIND: Kind = Kind::Url;

    fn parse(text: &str) -> Result<Self, Hint> {
        let bare = text.strip_suffix('/').unwrap_or(text);
        let host = bare.strip_prefix("http://").or_else(|| bare.strip_prefix("https://"));
        match host {
            Some(host) if is_authority(host) => Ok(Self(bare.to_owned())),
            Some(host) if host.contains('/') => Err(String::from("leave the path out")),
            _ => Err(String::from("such as http://127.0.0.1:8080")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.0.clone())
    }
}

/// The operator's word that real money may be traded with: `ETHUSDC mainnet`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arm(String);

impl Arm {
    /// The symbol that may be traded.
    pub fn symbol(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

impl Scalar for Arm {
    const KIND: Kind = Kind::Arm;

    fn parse(text: &str) -> Result<Self, Hint> {
        match text.split_once(' ') {
            Some((symbol, "mainnet")) => {
                let upper = symbol.to_uppercase();
                match <String as Scalar>::parse(symbol) {
                    Ok(symbol) => Ok(Self(format!("{symbol} mainnet"))),
                    Err(_) => Err(format!("did you mean {upper} mainnet?")),
                }
            }
            _ => Err(String::from("such as ETHUSDC mainnet")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.0.clone())
    }
}

impl PartialOrd for Secret {
    /// Secrets have no order; ranges do not apply to them.
    fn partial_cmp(&self, _: &Self) -> Option<Ordering> {
        None
    }
}

impl Scalar for Secret {
    const KIND: Kind = Kind::Secret;

    fn parse(text: &str) -> Result<Self, Hint> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self::new(text));
        }
        Err(String::from("look for spaces, quotes or line breaks that do not belong to it"))
    }

    fn show(&self) -> Option<String> {
        // What came from a file is written as the file's path.
        (!self.is_from_file()).then(|| String::from(MASK))
    }
}

/// Enums whose variants are words in the file.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+
    })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word that stands for it in the file.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            /// The error says which words there are.
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(one_of(Self::WORDS)),
                }
            }
        }

        impl Scalar for $name {
            const KIND: Kind = Kind::Choice(Self::WORDS);

            fn parse(text: &str) -> Result<Self, Hint> {
                text.parse().map_err(|_: String| nearest_word(text, Self::WORDS))
            }

            fn show(&self) -> Option<String> {
                Some(self.as_str().to_owned())
            }
        }
    )+};
}

words! {
    /// Which venue the engine trades on.
    Mode {
        /// The embedded simulated exchange.
        #[default]
        Paper = "paper",
        /// The real venue, or its test network.
        Live = "live",
    }
    /// The venue.
    ExchangeName {
        /// Binance USDⓈ-M futures.
        #[default]
        Binance = "binance",
    }
    /// Which money it is.
    Network {
        /// Real.
        #[default]
        Mainnet = "mainnet",
        /// Play money of the venue.
        Demo = "demo",
        /// The same under its former name.
        Testnet = "testnet",
        /// A simulated exchange at `base_url`.
        Custom = "custom",
    }
    /// How sockets are addressed.
    SocketPaths {
        /// `/public`, `/market` and `/private`.
        #[default]
        Routed = "routed",
        /// One socket for everything, as before 2026-04.
        Legacy = "legacy",
    }
    /// The way of orders.
    OrderPath {
        /// The WebSocket API, REST while that is down.
        #[default]
        WsApi = "ws_api",
        /// REST alone.
        Rest = "rest",
    }
    /// The strategy.
    StrategyName {
        /// Symmetric quotes around mid, skewed against inventory.
        #[default]
        BasicMm = "basic_mm",
    }
    /// What makes the strategy decide.
    RequoteOn {
        /// Every change of the market.
        #[default]
        Event = "event",
        /// The passing of `tick_interval` only.
        Interval = "interval",
    }
    /// How volatility is estimated.
    Estimator {
        /// Exponentially weighted squared returns of the mid.
        #[default]
        Ewma = "ewma",
        /// High and low of bars.
        Parkinson = "parkinson",
        /// Open, high, low and close of bars, without drift.
        GarmanKlass = "garman_klass",
        /// Open, high, low and close of bars, with drift.
        RogersSatchell = "rogers_satchell",
        /// Rogers-Satchell with jumps between bars.
        YangZhang = "yang_zhang",
    }
    /// Severity of a log line, least severe first.
    Level {
        /// Every detail.
        #[default]
        Trace = "trace",
        /// For troubleshooting.
        Debug = "debug",
        /// Normal operation.
        Info = "info",
        /// Something an operator should know.
        Warn = "warn",
        /// Something an operator must act on.
        Error = "error",
    }
    /// How a log line is written.
    LogFormat {
        /// One JSON object a line.
        #[default]
        Json = "json",
        /// Plain text.
        Pretty = "pretty",
    }
    /// Where the log goes.
    LogOutput {
        /// Standard output.
        #[default]
        Stdout = "stdout",
        /// A file with rotation.
        File = "file",
    }
}

/// `a, b or c`.
pub(super) fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

fn nearest_word(text: &str, words: &[&str]) -> Hint {
    let lower = text.to_lowercase().replace('-', "_");
    let word = super::fault::nearest(&lower, words.iter().copied());
    word.map_or_else(Hint::new, |word| format!("did you mean {word}?"))
}

/// A list of outputs, one after the other with commas between.
impl Setting for Vec<LogOutput> {
    fn kind(&self) -> Kind {
        Kind::Choices(LogOutput::WORDS)
    }

    fn read(&mut self, text: &str) -> Result<(), Hint> {
        let mut outputs = Vec::new();
        for word in text.split(',').map(str::trim) {
            let output = LogOutput::parse(word)?;
            if outputs.contains(&output) {
                return Err(format!("remove the second {word}"));
            }
            outputs.push(output);
        }
        *self = outputs;
        Ok(())
    }

    fn show(&self) -> Option<String> {
        Some(self.iter().map(|output| output.as_str()).collect::<Vec<_>>().join(","))
    }

    fn compare(&self, _: &str) -> Option<Ordering> {
        None
    }
}
