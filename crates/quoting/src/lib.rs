//! What to quote: strategies, volatility, spread models, signals.
