//! What the benchmarks share: the event that they push, a receiver that costs next to nothing, the
//! yardstick, and figures.

pub mod arrivals;
pub mod compare;
pub mod event;
pub mod figures;
pub mod prepared;
pub mod process;
pub mod sink;
pub mod tls;
