//! Damaged frames: the decoder never panics, and the scanner accepts only what the general parser
//! accepts, and reads it alike.

use binance::Decoder;
use market::Nanos;
use proptest::prelude::*;

use crate::{RECV, instrument};

const FRAMES: [&str; 9] = [
    r#"{"stream":"ethusdc@depth@100ms","data":{"e":"depthUpdate","E":1791000000103,"T":1791000000100,"s":"ETHUSDC","ps":"ETHUSDC","U":118790,"u":118801,"pu":118780,"b":[["2610.58","12.004"],["2610.20","0.000"]],"a":[["2610.59","1"]],"st":1}}"#,
    r#"{"e":"depthUpdate","E":1791000000103,"T":1791000000100,"s":"ETHUSDC","U":118790,"u":118801,"pu":118780,"b":[],"a":[]}"#,
    r#"{"stream":"ethusdc@depth20@100ms","data":{"e":"depthUpdate","E":103,"T":100,"s":"ETHUSDC","U":1,"u":8,"pu":0,"b":[["2610.58","12"]],"a":[["2610.59","0.001"]]}}"#,
    r#"{"e":"bookTicker","u":118800,"s":"ETHUSDC","ps":"ETHUSDC","b":"2610.58","B":"12.004","a":"2610.59","A":"3.377","T":1791000000101,"E":1791000000102,"st":1}"#,
    r#"{"stream":"ethusdc@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"ETHUSDC","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}"#,
    r#"{"e":"aggTrade","E":1791000000150,"a":91,"s":"ETHUSDC","p":"2610.59","q":"0.420","nq":"0.420","f":700,"l":702,"T":1791000000010,"m":false,"st":1}"#,
    r#"{"e":"markPriceUpdate","E":1791000001000,"s":"ETHUSDC","p":"2610.66465506","ap":"2610.66","i":"2611.01","P":"2611.2","r":"0.000041","T":1791014400000,"st":1}"#,
    r#"{"stream":"!markPrice@arr@1s","data":[{"e":"markPriceUpdate","E":1791,"s":"ETHUSDC","p":"4103.9","i":"4100.1","r":"-0.0001","T":1791}]}"#,
    r#"{"lastUpdateId":11757,"E":1791,"T":1790,"bids":[["83084.30","2.986"]],"asks":[["83084.40","4.632"]]}"#,
];

/// Bytes that mean something to a parser, and some that mean nothing.
const REPLACEMENTS: &[u8] = b"\"\\{}[]:,. \n\t0123456789eE+-nulltrfsab\x00\x1f\x7f\x80\xff";

fn check(decoder: &mut Decoder, frame: &[u8]) -> bool {
    let oracle = decoder.decode_by_serde(frame, RECV);
    match decoder.decode_by_scanner(frame, RECV) {
        Some(scanned) => {
            let text = String::from_utf8_lossy(frame);
            assert_eq!(Ok(scanned), oracle, "scanner and general parser differ on {text}");
            true
        }
        None => {
            assert_eq!(decoder.decode(frame, RECV), oracle);
            false
        }
    }
}

fn decoder() -> Decoder {
    Decoder::new(&[instrument(0, "ETHUSDC", "0.01", "0.001")])
}

#[test]
fn every_single_byte_changed_dropped_or_doubled() {
    let mut decoder = decoder();
    let (mut taken, mut all) = (0, 0);
    for frame in FRAMES {
        let frame = frame.as_bytes();
        for at in 0..frame.len() {
            let mut mutants: Vec<Vec<u8>> = Vec::new();
            let flips = (0..8).map(|bit| frame[at] ^ (1 << bit));
            for byte in flips.chain(REPLACEMENTS.iter().copied()) {
                let mut mutant = frame.to_vec();
                mutant[at] = byte;
                mutants.push(mutant);
                let mut mutant = frame.to_vec();
                mutant.insert(at, byte);
                mutants.push(mutant);
            }
            let mut mutant = frame.to_vec();
            mutant.remove(at);
            mutants.push(mutant);
            mutants.push(frame[..at].to_vec());
            mutants.push(frame[at..].to_vec());
            for mutant in mutants {
                taken += u32::from(check(&mut decoder, &mutant));
                all += 1;
            }
        }
    }
    assert!(taken > 5_000 && taken < all / 2, "{taken} of {all} taken by the scanner");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn several_changes_at_once(
        frame in 0..FRAMES.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(REPLACEMENTS)), 1..6),
        splice in prop::option::of((0..FRAMES.len(), any::<prop::sample::Index>(), any::<prop::sample::Index>())),
    ) {
        let mut bytes = FRAMES[frame].as_bytes().to_vec();
        if let Some((other, cut, from)) = splice {
            let other = FRAMES[other].as_bytes();
            bytes.truncate(cut.index(bytes.len()));
            bytes.extend_from_slice(&other[from.index(other.len())..]);
        }
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&mut decoder(), &bytes);
    }

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&mut decoder(), &bytes);
        let _ = decoder().decode_snapshot(market::InstrumentId(0), &bytes, Nanos::ZERO);
    }

    #[test]
    fn prices_and_quantities_of_any_spelling(
        price in "[0-9]{0,12}(\\.[0-9]{0,10})?",
        qty in "[-+]?[0-9]{0,14}(\\.[0-9]{0,9})?",
    ) {
        let frame = format!(
            r#"{{"e":"depthUpdate","E":1,"s":"ETHUSDC","U":1,"u":2,"pu":0,"b":[["{price}","{qty}"]],"a":[]}}"#
        );
        check(&mut decoder(), frame.as_bytes());
        let frame = format!(
            r#"{{"e":"trade","E":1,"s":"ETHUSDC","t":1,"p":"{price}","q":"{qty}","m":true}}"#
        );
        check(&mut decoder(), frame.as_bytes());
    }
}
