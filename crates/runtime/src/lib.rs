//! One turn, and the drivers around it.
