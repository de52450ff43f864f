//! What the venue says to us: the account's stream, replies, errors; and how we show it.

use std::fmt::{Debug, Display};

use binance::queries::{AccountQuery, OrderQuery, Step};
use binance::reaction::{Answer, judge, retry_after};
use binance::replies::{
    AccountConfig, AccountReply, AssetRow, CommissionRate, ExchangeInfo, Income, OrderReply,
    PositionRow, SymbolConfig, TradingRule, UserTrade, VenueError, decode_batch, decode_dead_man,
    decode_leverage, decode_listen_key, decode_multi_assets, decode_order_limits,
    decode_position_mode, decode_premium_index, decode_server_time, listen_key_of, one_way,
};
use binance::user_stream::OrderUpdate;
use binance::ws_api::WsReply;
use binance::{Budget, DecodeError, UserEvent};
use market::{ClientOrderId, InstrumentId, Nanos, TradeId};

use crate::market::instrument;
use crate::{SECRET, hides_secret};

/// The value; an error is shown, as it would be in a log, and is short.
fn read<T, E: Debug + Display>(result: Result<T, E>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let shown = error.to_string();
            assert!(shown.len() <= 1_000, "{} bytes: {shown}", shown.len());
            None
        }
    }
}

/// Frames of the account's stream, bare and as they come, wrapped in the listen key: what the
/// order scanner takes it reads as the general parser does, and the key never shows.
pub fn user_event(data: &[u8]) {
    let wrapped = [b"{\"stream\":\"", SECRET.as_bytes(), b"\",\"data\":", data, b"}"].concat();
    for frame in [data, &wrapped] {
        let scanned = OrderUpdate::decode_by_scanner(frame);
        let general = OrderUpdate::decode_by_serde(frame);
        if let Some(update) = &scanned {
            assert_eq!(Ok(Some(update)), general.as_ref().map(Option::as_ref), "readers differ");
        }
        let event = UserEvent::decode(frame);
        hides_secret(data, &format!("{general:?} {event:?}"));
        for symbol in ["ETHUSDC", "BTCUSDT"] {
            let reports = event.as_ref().map(|event| event.reports(&instrument(0, symbol)));
            hides_secret(data, &format!("{reports:?}"));
        }
    }
}

/// Frames of the WS API, and their results as every kind of reply.
pub fn ws_reply(data: &[u8]) {
    let eth = instrument(0, "ETHUSDC");
    if let Some(reply) = read(WsReply::decode(data))
        && let Ok(result) = &reply.result
    {
        if let Some(order) = read(OrderReply::of(result)) {
            read(order.fate(&eth));
            read(order.open_order(&eth));
        }
        if let Some(rows) = read(PositionRow::list_of(result)) {
            read(rows.iter().map(|row| row.position(&eth)).collect::<Result<Vec<_>, _>>());
        }
        read(AccountReply::of(result));
        read(AssetRow::balance_of(result));
        let _ = listen_key_of(result);
    }
    // A listen key that cannot be read must not show in the error.
    let broken = [b"{\"status\":200,\"result\":{\"listenKey\":\"", SECRET.as_bytes(), b"\"", data];
    let error = WsReply::decode(&broken.concat()).err();
    hides_secret(data, &error.map(|error| format!("{error} {error:?}")).unwrap_or_default());
}

/// Bodies of REST replies, of every kind.
pub fn rest_reply(data: &[u8]) {
    let eth = instrument(0, "ETHUSDC");
    if let Some(order) = read(OrderReply::decode(data)) {
        read(order.fate(&eth));
        read(order.open_order(&eth));
    }
    read(OrderReply::decode_list(data));
    read(decode_batch(data));
    for trade in read(UserTrade::decode_list(data)).unwrap_or_default() {
        read(trade.fill(&eth, None, market::Qty::ZERO));
    }
    if let Some(rows) = read(PositionRow::decode_list(data)) {
        read(rows.iter().map(|row| row.position(&eth)).collect::<Result<Vec<_>, _>>());
        let _ = one_way(&rows, "ETHUSDC");
    }
    if let Some(account) = read(AccountReply::decode(data)) {
        let _ = account.asset("USDC").map(AssetRow::wallet);
        let _ = account.in_credits_mode();
    }
    read(AssetRow::decode_balance(data));
    read(Income::decode_list(data));
    read(AccountConfig::decode(data));
    read(SymbolConfig::decode_list(data));
    read(CommissionRate::decode(data));
    read(TradingRule::decode_list(data));
    read(decode_order_limits(data));
    read(decode_server_time(data));
    read(decode_position_mode(data));
    read(decode_multi_assets(data));
    read(decode_leverage(data));
    read(decode_dead_man(data));
    read(decode_premium_index(data));
    if let Some(info) = read(ExchangeInfo::decode(data)) {
        for symbol in &info.symbols {
            read(symbol.instrument(InstrumentId(0)));
        }
        let _ = Budget::new(&info.rate_limits).remaining(Nanos::MAX);
    }
    let broken = [b"{\"listenKey\":\"", SECRET.as_bytes(), b"\"", data].concat();
    let error = decode_listen_key(&broken).err();
    hides_secret(data, &error.map(|error| format!("{error} {error:?}")).unwrap_or_default());
}

/// Questions that take several requests, one answer a line; a line that begins with `!` is an
/// error. They end, whatever is answered.
pub fn questions(data: &[u8]) {
    let eth = instrument(0, "ETHUSDC");
    let id = ClientOrderId { session: 0x0012_abcd, sequence: 7 };
    let mut order = OrderQuery::new(&eth, id);
    let mut account = [None, Some(TradeId(0)), Some(TradeId(700_000))]
        .map(|since| (AccountQuery::new(&eth, since, 1), true));
    for line in data.split(|&byte| byte == b'\n') {
        let error = line.strip_prefix(b"!").map(VenueError::of_body);
        let answer = match &error {
            Some(error) => Err(error),
            None => Ok(line),
        };
        let _: Result<Step, DecodeError> = order.on_answer(answer);
        for (query, open) in &mut account {
            if *open {
                *open = matches!(query.on_answer(answer), Ok(Step::Ask(_)));
                let _ = query.request();
            }
        }
    }
}

/// Errors of the venue: status and `Retry-After` on the first line, the body after it.
pub fn reaction(data: &[u8]) {
    let mut parts = data.splitn(2, |&byte| byte == b'\n');
    let head = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let body = parts.next().unwrap_or_default();
    let mut words = head.split(' ');
    let status: u16 = words.next().unwrap_or_default().parse().unwrap_or(400);
    let after = words.next().and_then(retry_after);
    let attempt = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let error = VenueError::of_body(body);
    assert!(error.message.len() <= 1_300, "a message of {} bytes", error.message.len());
    for now in [Nanos::ZERO, Nanos::from_millis(1_791_000_000_000), Nanos::MAX] {
        for (mutates, resent) in [(false, false), (true, false), (true, true)] {
            let fresh = Answer::new(status, &error, mutates, now);
            let verdict = judge(&Answer { retry_after: after, resent, attempt, ..fresh });
            assert!(!verdict.why.is_empty());
        }
    }
    let broken = [b"{\"signature\":\"", SECRET.as_bytes(), b"\"", body].concat();
    hides_secret(body, &format!("{:?}", VenueError::of_body(&broken)));
}

/// Any text described for people: always an object with a kind, hardly larger than the text, and
/// no secret in it.
pub fn describe(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let keyed = format!("{{\"listenKey\":\"{SECRET}\",\"rest\":{text}}}");
    let wrapped = format!("{{\"stream\":\"{SECRET}\",\"data\":{text}}}");
    for text in [&*text, &keyed, &wrapped] {
        let described = binance::describe(text);
        assert!(described["kind"].is_string(), "{described}");
        let shown = described.to_string();
        let most = 4_096 + 64 * text.len();
        assert!(shown.len() <= most, "{} bytes of {}", shown.len(), text.len());
        hides_secret(data, &shown);
    }
}

/// Masking: nothing moves, twice is once, and no key stays.
pub fn redact(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let masked = binance::redact::redact(&text);
    assert_eq!(masked.len(), text.len(), "offsets stay valid");
    assert_eq!(binance::redact::redact(&masked), masked);
    for name in ["listenKey\":\"", "apiKey=", "signature=", "/ws/"] {
        let keyed = format!("{text}{name}{SECRET}");
        hides_secret(data, &binance::redact::redact(&keyed));
    }
}
