//! The order book alone, against exact queue positions.

use std::collections::BTreeMap;

use market::{Price, Qty, Side};
use sim_exchange::AccountId;
use sim_exchange::book::{Handle, OrderBook, Resting};

const PRICE: Price = Price::new(1_000);

fn lots(value: &serde_json::Value) -> u64 {
    (value.as_f64().unwrap() * 1_000.0).round() as u64
}

/// One level with named orders, ours among them.
#[derive(Default)]
struct Level {
    book: OrderBook,
    names: BTreeMap<String, Handle>,
    next: i64,
}

const OURS: &str = "ours";

impl Level {
    fn join(&mut self, name: &str, qty: u64) {
        self.next += 1;
        let order = Resting {
            id: self.next,
            owner: AccountId::OTHER,
            side: Side::Buy,
            price: PRICE,
            qty: Qty::new(qty),
        };
        let handle = self.book.insert(order);
        self.names.insert(name.to_owned(), handle);
    }

    fn trade(&mut self, qty: u64) {
        let mut left = Qty::new(qty);
        while let Some((handle, order)) = self.book.front(Side::Buy).filter(|_| !left.is_zero()) {
            let by = left.min(order.qty);
            self.book.shrink(handle, by);
            left -= by;
        }
    }

    fn modify(&mut self, name: &str, qty: u64) {
        let handle = self.names[name];
        let Some(old) = self.book.get(handle).map(|order| order.qty) else { return };
        if Qty::new(qty) <= old {
            self.book.shrink(handle, old - Qty::new(qty));
        } else {
            self.book.remove(handle);
            self.join(name, qty);
        }
    }

    /// Ahead of us, behind us, and what is left of ours.
    fn place(&self) -> (u64, u64, u64) {
        let ours = self.book.get(self.names[OURS]).copied();
        let Some(ours) = ours else { return (0, 0, 0) };
        let orders: Vec<_> = self.book.orders(Side::Buy).collect();
        let index = orders.iter().position(|order| *order == ours).unwrap();
        let sum = |part: &[Resting]| part.iter().map(|order| order.qty.raw()).sum();
        (sum(&orders[..index]), sum(&orders[index + 1..]), ours.qty.raw())
    }
}

#[test]
fn queue_positions_are_exact() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/reference/vectors/queue_fifo_l3.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: no reference vectors at {}", path.display());
        return;
    };
    let suite: serde_json::Value = serde_json::from_str(&text).unwrap();
    for case in suite["cases"].as_array().unwrap() {
        let (inputs, id) = (&case["inputs"], &case["id"]);
        let mut level = Level::default();
        for order in inputs["resting"].as_array().unwrap() {
            level.join(order[0].as_str().unwrap(), lots(&order[1]));
        }
        let qty = lots(&inputs["order_qty"]);
        level.join(OURS, qty);
        let rows = case["outputs"]["rows"].as_array().unwrap();
        for (event, row) in inputs["events"].as_array().unwrap().iter().zip(rows) {
            let name = event["id"].as_str().unwrap_or_default();
            match event["type"].as_str().unwrap() {
                "add" => level.join(name, lots(&event["qty"])),
                "cancel" => {
                    level.book.remove(level.names[name]);
                }
                "modify" => level.modify(name, lots(&event["qty"])),
                "trade" => level.trade(lots(&event["qty"])),
                other => panic!("{id}: unknown event {other}"),
            }
            level.book.assert_invariants();
            let (ahead, behind, left) = level.place();
            assert_eq!(qty - left, lots(&row["filled"]), "{id} {event}");
            assert_eq!(left == 0, row["done"] == true, "{id} {event}");
            if left > 0 {
                let want = (lots(&row["ahead"]), lots(&row["behind"]));
                assert_eq!((ahead, behind), want, "{id} {event}");
            }
        }
    }
}
