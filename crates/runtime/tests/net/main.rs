//! The sockets under the client, against real ones.
