//! Nothing is allocated once a strategy runs.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use market::Qty;
use quoting::{AnyStrategy, DynamicSpreadConfig, Estimator, Strategy, StrategyConfig};

use crate::support::{at, book, config, eth, view};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator cannot be written without; this one only counts")]
// SAFETY: every call is handed on unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, hence from the system allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn observing_and_quoting_do_not_allocate() {
    let instrument = eth();
    let books = [
        book(&[(261_050, 700), (261_049, 300)], &[(261_051, 900), (261_060, 10)]),
        book(&[(261_020, 100), (261_019, 300)], &[(261_023, 900), (261_024, 10)]),
    ];
    for estimator in [Estimator::Ewma, Estimator::YangZhang] {
        let mut config = config();
        config.levels = 10;
        config.max_inventory = Qty::new(1_000);
        config.volatility.estimator = estimator;
        config.volatility.bar = std::time::Duration::from_secs(2);
        config.dynamic_spread = Some(DynamicSpreadConfig {
            vol_multiplier: 1.0,
            horizon: std::time::Duration::from_secs(5),
            inventory_widen: 0.5,
            imbalance_widen: 0.5,
            depth_widen: 0.5,
            depth_reference: 1.0,
            depth_levels: 5,
        });
        let mut strategy = AnyStrategy::new(&StrategyConfig::BasicMm(config), &instrument);
        let before = ALLOCATIONS.get();
        let mut quoted = 0;
        for turn in 0..2_000_u32 {
            let now = at(f64::from(turn) * 0.3);
            let view = view(now, &instrument, &books[turn as usize / 7 % 2], i64::from(turn % 90));
            strategy.observe(&view);
            quoted += u32::from(!strategy.quote(&view).is_empty());
        }
        assert_eq!(ALLOCATIONS.get(), before, "{estimator:?}");
        assert!(quoted > 1_900, "{estimator:?} quoted only {quoted} times");
    }
}
