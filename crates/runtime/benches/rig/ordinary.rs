//! What most programs do with a depth frame: decode it by serde_json, keep a sorted map a side.

use std::collections::BTreeMap;
use std::hint::black_box;

use serde::Deserialize;

#[derive(Deserialize)]
struct Combined<'a> {
    #[serde(borrow)]
    data: DepthUpdate<'a>,
}

#[derive(Deserialize)]
struct DepthUpdate<'a> {
    u: u64,
    #[serde(borrow)]
    b: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    a: Vec<[&'a str; 2]>,
}

#[derive(Deserialize)]
struct Snapshot<'a> {
    #[serde(rename = "lastUpdateId")]
    last_id: u64,
    #[serde(borrow)]
    bids: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    asks: Vec<[&'a str; 2]>,
}

/// Bids and asks by price in tenths, quantities in thousandths.
pub(crate) struct Maps {
    last_id: u64,
    sides: [BTreeMap<i64, i64>; 2],
}

impl Maps {
    pub(crate) fn new(snapshot: &str) -> Self {
        let snapshot: Snapshot<'_> = serde_json::from_str(snapshot).expect("a snapshot");
        let mut maps = Self { last_id: snapshot.last_id, sides: Default::default() };
        maps.change([&snapshot.bids, &snapshot.asks]);
        maps
    }

    /// Takes in a frame, and looks at the best of both sides.
    pub(crate) fn take(&mut self, frame: &[u8]) {
        let decoded: Combined<'_> = serde_json::from_slice(frame).expect("a frame");
        let DepthUpdate { u, b, a } = decoded.data;
        if u > self.last_id {
            self.change([&b, &a]);
        }
        let [bids, asks] = &self.sides;
        black_box((bids.last_key_value(), asks.first_key_value()));
    }

    /// Numbers go by way of a float.
    fn change(&mut self, changes: [&[[&str; 2]]; 2]) {
        let number = |text: &str, scale: f64| {
            (text.parse::<f64>().expect("a decimal") * scale).round() as i64
        };
        for (side, levels) in self.sides.iter_mut().zip(changes) {
            for [price, qty] in levels {
                match (number(price, 1e1), number(qty, 1e3)) {
                    (price, 0) => side.remove(&price),
                    (price, qty) => side.insert(price, qty),
                };
            }
        }
    }
}
