//! A recorded day's minutes of BTCUSDT, frame by frame as they came off the wire.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use market::Nanos;

/// Added to receive times: the recorder's clock was 1.27 s behind the venue's.
const SHIFT: u64 = 1_300_000_000;

/// What a frame is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Changed levels.
    Depth,
    /// Best bid and ask.
    Ticker,
    /// Somebody's trade.
    Trade,
}

/// A frame and when it was received.
pub(crate) struct Frame {
    pub(crate) at: Nanos,
    pub(crate) kind: Kind,
    /// The book's update id that it ends with; zero for trades.
    pub(crate) update_id: u64,
    pub(crate) text: String,
}

/// Everything of a recording that the benchmarks use.
pub(crate) struct Recording {
    /// Body of `GET /fapi/v1/depth`.
    pub(crate) snapshot: String,
    pub(crate) frames: Vec<Frame>,
}

/// Where a recording lies unless somebody says otherwise.
pub(crate) fn default_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/binance-usdm/btcusdt_20240808.gz")
}

impl Recording {
    /// Reads lines of `<receive time in nanoseconds> <frame>`; says what is wrong with the file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut recording = Self { snapshot: String::new(), frames: Vec::new() };
        for (number, line) in BufReader::new(MultiGzDecoder::new(file)).lines().enumerate() {
            let line = line.map_err(|error| format!("{}: {error}", path.display()))?;
            recording.take(&line).ok_or_else(|| {
                format!("{}:{}: no recorded frame of BTCUSDT", path.display(), number + 1)
            })?;
        }
        if recording.snapshot.is_empty() || recording.frames.is_empty() {
            return Err(format!("{}: has no snapshot, or nothing else", path.display()));
        }
        if !recording.frames.is_sorted_by_key(|frame| frame.at) {
            return Err(format!("{}: goes back in time", path.display()));
        }
        Ok(recording)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (time, text) = line.split_once(' ')?;
        let at = Nanos(time.parse::<u64>().ok()? + SHIFT);
        let (kind, text) = if text.starts_with("{\"lastUpdateId\"") {
            text.clone_into(&mut self.snapshot);
            return Some(());
        } else if text.starts_with("{\"stream\":\"btcusdt@depth") {
            (Kind::Depth, text.to_owned())
        } else if text.starts_with("{\"stream\":\"btcusdt@bookTicker") {
            (Kind::Ticker, text.to_owned())
        } else if text.starts_with("{\"stream\":\"btcusdt@trade") {
            (Kind::Trade, aggregated(text)?)
        } else {
            return None;
        };
        let update_id = match kind {
            Kind::Depth | Kind::Ticker => field(&text, "\"u\":")?.parse().ok()?,
            Kind::Trade => 0,
        };
        self.frames.push(Frame { at, kind, update_id, text });
        Some(())
    }
}

/// A recorded trade as the aggregate stream tells it, which was not recorded.
fn aggregated(text: &str) -> Option<String> {
    let [at, id, price, qty, maker] =
        ["\"T\":", "\"t\":", "\"p\":\"", "\"q\":\"", "\"m\":"].map(|name| field(text, name));
    let (at, id, price, qty, maker) = (at?, id?, price?, qty?, maker?);
    Some(format!(
        "{{\"stream\":\"btcusdt@aggTrade\",\"data\":{{\"e\":\"aggTrade\",\"E\":{at},\"a\":{id},\
         \"s\":\"BTCUSDT\",\"p\":\"{price}\",\"q\":\"{qty}\",\"nq\":\"{qty}\",\"f\":{id},\
         \"l\":{id},\"T\":{at},\"m\":{maker}}}}}"
    ))
}

/// What stands after a name, up to the end of the value.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = &text[text.find(name)? + name.len()..];
    Some(&value[..value.find(['"', ',', '}'])?])
}

/// A mark price, of which none were recorded in 2024 and one is sent each second.
pub(crate) fn mark_price(at: Nanos, price: &str) -> String {
    let millis = at.as_millis();
    format!(
        "{{\"stream\":\"btcusdt@markPrice@1s\",\"data\":{{\"e\":\"markPriceUpdate\",\"E\":{millis},\
         \"s\":\"BTCUSDT\",\"p\":\"{price}\",\"P\":\"{price}\",\"i\":\"{price}\",\
         \"r\":\"0.00010000\",\"T\":{}}}}}",
        (millis / 28_800_000 + 1) * 28_800_000
    )
}

/// Best bid of a ticker frame.
pub(crate) fn best_bid(ticker: &str) -> Option<&str> {
    field(ticker, "\"b\":\"")
}
