//! The pure half of the client: requests as they are sent, answers as they are understood.

mod documented;
mod fuzz;
mod queries;
mod replies;
mod requests;
mod user_stream;
mod witness;

use std::time::Duration;

use binance::{Credentials, Stamp};
use market::venue::{NewOrder, OrderKind, TimeInForce};
use market::{ClientOrderId, Instrument, InstrumentId, Nanos, Price, Qty, Side};

/// HMAC secret of the venue's documentation.
const SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";
const API_KEY: &str = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83";
/// RFC 8032, test key 1.
const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";

const ID: ClientOrderId = ClientOrderId { session: 0x0012_abcd, sequence: 7 };

fn eth() -> Instrument {
    Instrument::known(InstrumentId(0), "ETHUSDC").unwrap()
}

fn hmac() -> Credentials {
    Credentials::hmac(API_KEY, SECRET).unwrap()
}

fn stamp() -> Stamp {
    let timestamp = Nanos::from_millis(1_791_000_000_000);
    Stamp { timestamp, window: Duration::from_millis(5_000) }
}

fn order(kind: OrderKind, reduce_only: bool) -> NewOrder {
    let instrument = InstrumentId(0);
    NewOrder { instrument, client_id: ID, side: Side::Buy, qty: Qty::new(10), kind, reduce_only }
}

fn quote() -> NewOrder {
    let kind = OrderKind::Limit { price: Price::new(261_050), tif: TimeInForce::PostOnly };
    order(kind, false)
}
