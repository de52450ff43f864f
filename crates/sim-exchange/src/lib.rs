//! The other machine: matching, queue position, latency, fees, faults.
