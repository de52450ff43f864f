//! Streams: their names, which socket carries them, and how sockets are told to.

use serde_json::{Value, json};

use super::history::Interval;

/// Streams per connection.
const STREAMS_MAX: usize = 1_024;

/// One stream of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Depth changes gathered this many milliseconds.
    Depth(u16),
    /// The best levels, every so many milliseconds.
    Partial {
        /// Per side.
        levels: u8,
        /// Milliseconds.
        every: u16,
    },
    /// Best bid and ask.
    BookTicker,
    /// The same every five seconds, as the stream of all symbols does.
    AllBookTicker,
    /// Prints of one order at one price as one.
    AggTrade,
    /// Every print.
    Trade,
    /// Mark price and funding, every so many seconds.
    Mark(u8),
    /// The same as a list, as the stream of all symbols does.
    AllMark(u8),
    /// Candles.
    Kline(Interval),
    /// Rolling day.
    Ticker,
    /// Events of one account.
    User(usize),
}

/// Which socket a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/public`: books.
    Public,
    /// `/market`: everything else that is public.
    Market,
    /// `/private`: listen keys.
    Private,
    /// No route: everything, as on demo.
    Legacy,
}

impl Topic {
    /// The stream of this name for this symbol; `None` for names that stay silent.
    pub fn parse(name: &str, symbol: &str) -> Option<Self> {
        match name {
            "!bookTicker" => return Some(Self::AllBookTicker),
            "!markPrice@arr" => return Some(Self::AllMark(3)),
            "!markPrice@arr@1s" => return Some(Self::AllMark(1)),
            _ => {}
        }
        let (own, stream) = name.split_once('@')?;
        if own != symbol.to_lowercase() {
            return None;
        }
        match stream {
            "bookTicker" => Some(Self::BookTicker),
            "aggTrade" => Some(Self::AggTrade),
            "trade" => Some(Self::Trade),
            "markPrice" => Some(Self::Mark(3)),
            "markPrice@1s" => Some(Self::Mark(1)),
            "ticker" => Some(Self::Ticker),
            "rpiDepth@500ms" => Some(Self::Depth(500)),
            _ => match stream.strip_prefix("kline_") {
                Some(interval) => Interval::parse(interval).map(Self::Kline),
                None => depth_stream(stream.strip_prefix("depth")?),
            },
        }
    }

    /// Whether connections of this route ever carry it.
    pub fn travels(self, route: Route) -> bool {
        let home = match self {
            // Undocumented, and clients look for it in both places.
            Self::Trade if route == Route::Public => return true,
            Self::Depth(_) | Self::Partial { .. } | Self::BookTicker | Self::AllBookTicker => {
                Route::Public
            }
            Self::AggTrade
            | Self::Trade
            | Self::Mark(_)
            | Self::AllMark(_)
            | Self::Kline(_)
            | Self::Ticker => Route::Market,
            Self::User(_) => Route::Private,
        };
        route == home || route == Route::Legacy
    }
}

/// What follows `depth`. The real venue acknowledges an explicit 250 ms and then says nothing.
fn depth_stream(rest: &str) -> Option<Topic> {
    let (levels, every) = match rest.split_once('@') {
        None => (rest, 250),
        Some((levels, "100ms")) => (levels, 100),
        Some((levels, "500ms")) => (levels, 500),
        Some(_) => return None,
    };
    match levels {
        "" => Some(Topic::Depth(every)),
        "5" | "10" | "20" => Some(Topic::Partial { levels: levels.parse().ok()?, every }),
        _ => None,
    }
}

/// What a client wants of a stream socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Names to add.
    Subscribe(Vec<String>),
    /// Names to drop.
    Unsubscribe(Vec<String>),
    /// Which are there?
    List,
    /// Wrapped messages or bare ones.
    Combined(bool),
    /// Wrapped or bare?
    GetCombined,
}

/// Reads a control message: its id for the answer, and what is wanted or what is wrong with it.
pub fn control(text: &str) -> (Value, Result<Control, Value>) {
    let Ok(message) = serde_json::from_str::<Value>(text) else {
        return (Value::Null, Err(problem(3, "Invalid JSON: expected value at line 1 column 1")));
    };
    let id = message.get("id").cloned().unwrap_or(Value::Null);
    let params = message.get("params");
    let names = || -> Result<Vec<String>, Value> {
        let list = params.and_then(Value::as_array).ok_or_else(|| bad_request("params"))?;
        let name = |value: &Value| value.as_str().map(str::to_owned);
        list.iter().map(|v| name(v).ok_or_else(|| bad_request("params"))).collect()
    };
    let wanted = match message.get("method").and_then(Value::as_str) {
        Some("SUBSCRIBE") => names().map(Control::Subscribe),
        Some("UNSUBSCRIBE") => names().map(Control::Unsubscribe),
        Some("LIST_SUBSCRIPTIONS") => Ok(Control::List),
        Some("GET_PROPERTY") => Ok(Control::GetCombined),
        Some("SET_PROPERTY") => match params.and_then(|p| p.get(1)).and_then(Value::as_bool) {
            Some(combined) => Ok(Control::Combined(combined)),
            None => Err(problem(1, "Invalid value type: expected Boolean")),
        },
        Some(other) => {
            let text = format!(
                "Invalid request: unknown variant `{other}`, expected one of `SUBSCRIBE`, \
                 `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
            );
            Err(problem(2, &text))
        }
        None => Err(bad_request("method")),
    };
    (id, wanted)
}

/// Whether a connection may have this many streams; if not, what to say before closing it.
pub fn check_count(count: usize) -> Result<(), String> {
    if count <= STREAMS_MAX {
        return Ok(());
    }
    Err(json!({"error": problem(4, "Too many subscriptions")}).to_string())
}

/// The answer to a control message.
pub fn answer(id: &Value, result: Result<Value, Value>) -> String {
    match result {
        Ok(result) => json!({"result": result, "id": id}).to_string(),
        Err(error) => json!({"error": error, "id": id}).to_string(),
    }
}

fn bad_request(field: &str) -> Value {
    problem(2, &format!("Invalid request: missing field `{field}`"))
}

fn problem(code: u8, msg: &str) -> Value {
    json!({"code": code, "msg": msg})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_the_sockets_that_carry_them() {
        let parse = |name| Topic::parse(name, "ETHUSDC");
        assert_eq!(parse("ethusdc@depth@100ms"), Some(Topic::Depth(100)));
        assert_eq!(parse("ethusdc@depth"), Some(Topic::Depth(250)));
        assert_eq!(parse("ethusdc@depth@250ms"), None, "acknowledged and silent");
        assert_eq!(parse("ethusdc@depth20@500ms"), Some(Topic::Partial { levels: 20, every: 500 }));
        assert_eq!(parse("ETHUSDC@depth"), None, "upper case is silent");
        assert_eq!(parse("btcusdt@depth"), None);
        assert_eq!(parse("ethusdc@depth7"), None);
        assert!(Topic::BookTicker.travels(Route::Public));
        assert!(!Topic::BookTicker.travels(Route::Market));
        assert!(Topic::Trade.travels(Route::Market) && Topic::Trade.travels(Route::Legacy));
        assert!(Topic::User(0).travels(Route::Private) && !Topic::User(0).travels(Route::Public));
    }

    #[test]
    fn control_messages() {
        let (id, wanted) = control(r#"{"method":"SUBSCRIBE","params":["a@b"],"id":7}"#);
        assert_eq!((id, wanted), (7.into(), Ok(Control::Subscribe(vec!["a@b".to_owned()]))));
        assert!(control("nonsense").1.is_err());
        assert!(control(r#"{"method":"SUBSCRIBE","id":1}"#).1.is_err());
        assert!(control(r#"{"method":"DANCE","id":1}"#).1.is_err());
    }
}
