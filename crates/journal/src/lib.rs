//! Versioned, checksummed, compressed frames of engine inputs and outputs.
