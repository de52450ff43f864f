//! The sockets under the client, on real ones: the simulated exchange, and servers and proxies that
//! misbehave.

mod proxies;
mod requests;
mod rig;
mod servers;
mod sockets;
mod tls;
mod venue;
