//! The machine: orders, ledger, risk, converge, step().
