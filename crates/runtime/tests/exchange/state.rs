//! What is kept on disk: settings that come back, ends that were cut off, damage that is told.

use std::fs;
use std::path::{Path, PathBuf};

use market::{Decimal, Instrument, InstrumentId};
use runtime::exchange::{self, Account, ExchangeConfig, ExchangeError, Listeners, StateError};
use serde_json::{Value, json};

use crate::killed::Scratch;
use crate::sockets::{control, get, post};
use crate::world::{KEYS, Served, config};

fn with_state(folder: &Path) -> ExchangeConfig {
    ExchangeConfig { state: Some(folder.to_owned()), ..config() }
}

/// Starts an exchange and stops it again.
fn open_and_close(config: ExchangeConfig) -> Result<(), ExchangeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listeners = Listeners::bind(&config).await?;
        exchange::serve(config, listeners, std::future::ready(())).await
    })
}

fn file(folder: &Path) -> PathBuf {
    folder.join("exchange.state")
}

/// An exchange with an order, a position and a deposit, closed again.
fn prepared(folder: &Path) -> Value {
    let served = Served::new(with_state(folder));
    let order = "symbol=ETHUSDC&side=BUY&type=LIMIT&timeInForce=GTX&quantity=0.01&price=2300";
    let order = post(&served, "/fapi/v1/order", order).unwrap().1;
    post(&served, "/fapi/v1/order", "symbol=ETHUSDC&side=BUY&type=MARKET&quantity=0.01").unwrap();
    order
}

#[test]
fn settings_and_what_others_did_to_the_account_come_back() {
    let scratch = Scratch::new("settings");
    let api_key = KEYS[0].0;
    {
        let served = Served::new(with_state(&scratch.0));
        for (path, query) in [
            ("/fapi/v1/leverage", "symbol=ETHUSDC&leverage=7"),
            ("/fapi/v1/marginType", "symbol=ETHUSDC&marginType=ISOLATED"),
            ("/fapi/v1/feeBurn", "feeBurn=true"),
            ("/fapi/v1/positionSide/dual", "dualSidePosition=true"),
        ] {
            assert_eq!(post(&served, path, query).unwrap().0, 200, "{path}");
        }
        let actions = [
            json!({"transfer": {"api_key": api_key, "amount": "-12.5"}}),
            json!({"lock": {"api_key": api_key, "locked": true}}),
            json!({"trade": {"api_key": api_key, "side": "SELL", "price": "2600.00", "quantity": "0.5"}}),
            json!({"funding": {"rate": "0.001"}}),
        ];
        for action in &actions {
            assert_eq!(control(&served, "/actions", action), 200, "{action}");
        }
    }
    let ask = |served: &Served, path: &str| get(served, path, "symbol=ETHUSDC").unwrap().1;
    let (before, after) = {
        let paths = ["/fapi/v1/income", "/fapi/v1/userTrades", "/fapi/v1/symbolConfig"];
        let look = |served: &Served| paths.map(|path| ask(served, path));
        let first = look(&Served::new(with_state(&scratch.0)));
        (first, look(&Served::new(with_state(&scratch.0))))
    };
    assert_eq!(before, after, "coming back twice changes nothing");
    let [income, trades, settings] = after;
    assert_eq!(trades.as_array().unwrap().len(), 1);
    let kinds: Vec<_> = income.as_array().unwrap().iter().map(|row| &row["incomeType"]).collect();
    assert_eq!(kinds, ["COMMISSION", "FUNDING_FEE"]);
    assert_eq!(
        (&settings[0]["leverage"], &settings[0]["marginType"]),
        (&7.into(), &"ISOLATED".into())
    );
    let served = Served::new(with_state(&scratch.0));
    assert_eq!(ask(&served, "/fapi/v1/feeBurn")["feeBurn"], true);
    assert_eq!(ask(&served, "/fapi/v1/positionSide/dual")["dualSidePosition"], true);
    let status = ask(&served, "/fapi/v1/apiTradingStatus");
    assert_eq!(status["indicators"]["ETHUSDC"][0]["isLocked"], true);
    let balance = ask(&served, "/fapi/v3/balance");
    let row = balance.as_array().unwrap().iter().find(|row| row["asset"] == "USDC").unwrap();
    let wallet: Decimal = row["balance"].as_str().unwrap().parse().unwrap();
    assert!(wallet > Decimal::from_units(9_980 * Decimal::SCALE), "{wallet}");
    assert!(wallet < Decimal::from_units(9_990 * Decimal::SCALE), "{wallet}");
}

#[test]
fn an_end_that_was_cut_off_is_left_out() {
    let scratch = Scratch::new("torn");
    let order = prepared(&scratch.0);
    let whole = fs::read(file(&scratch.0)).unwrap();
    let query = format!("symbol=ETHUSDC&orderId={}", order["orderId"]);
    for cut in [1, 5, 13, 20] {
        fs::write(file(&scratch.0), &whole[..whole.len() - cut]).unwrap();
        let served = Served::new(with_state(&scratch.0));
        let found = get(&served, "/fapi/v1/order", &query).unwrap().1;
        assert_eq!(found["status"], "NEW", "{cut} bytes cut off: {found}");
    }
}

#[test]
fn damage_in_the_middle_is_told_with_its_place_and_a_way_out() {
    let scratch = Scratch::new("damage");
    let order = prepared(&scratch.0);
    let whole = fs::read(file(&scratch.0)).unwrap();
    let mut damaged = 0;
    let mut way_out = 0;
    for at in (8..whole.len()).step_by(whole.len() / 60) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(file(&scratch.0), &bytes).unwrap();
        let Err(ExchangeError::State(error)) = open_and_close(with_state(&scratch.0)) else {
            panic!("damage at {at} was not noticed");
        };
        let StateError::Damaged { path, offset, .. } = &error else {
            panic!("damage at {at}: {error}");
        };
        assert_eq!((path, *offset <= at), (&file(&scratch.0), true), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("at byte {offset}")) && text.contains("move "), "{text}");
        damaged += 1;
        if text.contains("truncate -s") {
            way_out = *offset;
        }
        assert_eq!(fs::read(file(&scratch.0)).unwrap(), bytes, "a damaged file is not touched");
    }
    assert!(damaged > 50 && way_out > 8);
    fs::write(file(&scratch.0), &whole[..way_out]).unwrap();
    open_and_close(with_state(&scratch.0)).unwrap();
    fs::write(file(&scratch.0), b"something else altogether").unwrap();
    let error = open_and_close(with_state(&scratch.0)).unwrap_err().to_string();
    assert!(error.contains("was not written by this version"), "{error}");
    assert!(order["orderId"].is_number());
}

#[test]
fn other_options_than_those_it_was_made_with_are_refused() {
    let scratch = Scratch::new("options");
    prepared(&scratch.0);
    let balance = Decimal::from_units(5 * Decimal::SCALE);
    let error = |config: ExchangeConfig| open_and_close(config).unwrap_err().to_string();
    let fewer = ExchangeConfig {
        accounts: vec![Account::new("other", "secret", balance)],
        ..with_state(&scratch.0)
    };
    let text = error(fewer);
    assert!(text.contains("2 account(s) with other API keys"), "{text}");
    assert!(!text.contains(KEYS[0].0), "keys stay out of messages: {text}");
    let instrument = Instrument::known(InstrumentId(0), "BTCUSDT").unwrap();
    let text = error(ExchangeConfig { instrument, ..with_state(&scratch.0) });
    assert!(text.contains("for ETHUSDC, not BTCUSDT"), "{text}");
    let first = Served::new(with_state(&scratch.0));
    let text = error(with_state(&scratch.0));
    assert!(text.contains("another exchange uses"), "{text}");
    drop(first);
    // A further account opens with its own balance, and the order of the keys does not matter.
    let mut more = with_state(&scratch.0);
    more.accounts.reverse();
    more.accounts.insert(0, Account::new("third", "secret", balance));
    let served = Served::new(more);
    let trades = get(&served, "/fapi/v1/userTrades", "symbol=ETHUSDC").unwrap().1;
    assert_eq!(trades.as_array().unwrap().len(), 1);
}

#[test]
fn without_a_folder_nothing_is_written() {
    let scratch = Scratch::new("nothing");
    fs::create_dir_all(&scratch.0).unwrap();
    let served = Served::new(config());
    post(&served, "/fapi/v1/order", "symbol=ETHUSDC&side=BUY&type=MARKET&quantity=0.01").unwrap();
    drop(served);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
    let unusable = scratch.0.join("file");
    fs::write(&unusable, "").unwrap();
    let error = open_and_close(with_state(&unusable)).unwrap_err().to_string();
    assert!(error.contains("--state: cannot make") && error.contains("file"), "{error}");
}

#[test]
fn a_recording_goes_on_where_it_was_left() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/binance-usdm");
    let capture = root.join("ethusdt_20240808.gz");
    if !capture.exists() {
        eprintln!("SKIPPED: {} is not on this machine", capture.display());
        return;
    }
    let scratch = Scratch::new("recording");
    let instrument = Instrument::known(InstrumentId(0), "ETHUSDT").unwrap();
    let config = || ExchangeConfig {
        instrument: instrument.clone(),
        replay: vec![capture.clone()],
        ..with_state(&scratch.0)
    };
    let depth =
        |served: &Served| get(served, "/fapi/v1/depth", "symbol=ETHUSDT&limit=5").unwrap().1;
    let mut last = 0;
    let mut order = Value::Null;
    for round in 0..3 {
        let served = Served::new(config());
        let book = loop {
            let book = depth(&served);
            if book["bids"].as_array().is_some_and(|bids| bids.len() == 5) {
                break book;
            }
        };
        let id = book["lastUpdateId"].as_u64().unwrap();
        assert!(id > last, "numbers go on: {last}, then {id}");
        last = id;
        if round == 0 {
            let bid: f64 = book["bids"][4][0].as_str().unwrap().parse().unwrap();
            let query = format!(
                "symbol=ETHUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.02&price={:.2}",
                bid * 0.97
            );
            order = post(&served, "/fapi/v1/order", &query).unwrap().1;
        }
        let query = format!("symbol=ETHUSDT&orderId={}", order["orderId"]);
        let found = get(&served, "/fapi/v1/order", &query).unwrap().1;
        assert_eq!(found["status"], "NEW", "{found}");
    }
}
