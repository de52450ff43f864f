//! The vocabulary: units, instrument, events, book, venue protocol.
