//! Recorded data in place of the crowd.

use std::path::PathBuf;
use std::time::Duration;

use market::{Instrument, InstrumentId};
use runtime::exchange::ExchangeConfig;
use serde_json::Value;

use crate::world::{World, config};

#[test]
fn a_recording_is_traded_against_by_several_accounts() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/binance-usdm");
    let capture = root.join("ethusdt_20240808.gz");
    if !capture.exists() {
        eprintln!("SKIPPED: {} is not on this machine", capture.display());
        return;
    }
    let instrument = Instrument::known(InstrumentId(0), "ETHUSDT").unwrap();
    let config = ExchangeConfig { instrument, replay: vec![capture], ..config() };
    let mut world = World::with(&config);
    world.wait(Duration::from_secs(3));
    let book = |world: &mut World| -> Value {
        let reply = world.raw("GET", "/fapi/v1/depth", "symbol=ETHUSDT&limit=5", None);
        serde_json::from_str(&reply.body).unwrap()
    };
    let first = book(&mut world);
    assert_eq!(first["bids"].as_array().unwrap().len(), 5, "{first}");
    world.wait(Duration::from_secs(2));
    assert_ne!(book(&mut world)["lastUpdateId"], first["lastUpdateId"], "the recording goes on");
    let buy = "symbol=ETHUSDT&side=BUY&type=MARKET&quantity=0.02";
    world.good(0, "POST", "/fapi/v1/order", buy);
    world.good(1, "POST", "/fapi/v1/order", &buy.replace("BUY", "SELL"));
    let held = |world: &mut World, who| {
        world.good(who, "GET", "/fapi/v3/positionRisk", "")[0]["positionAmt"].clone()
    };
    assert_eq!(held(&mut world, 0), "0.020");
    assert_eq!(held(&mut world, 1), "-0.020");
}
