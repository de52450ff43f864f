//! The wire: bytes to market types and back, depth synchronisation.
