//! Postrider: what happens to each message of a mail server, pushed to webhooks.
//!
//! ```text
//! push ─▶ queue ─▶ writer thread ─▶ log ─▶ deliver thread: route ─▶ batches ─▶ HTTP/1.1
//! inbox ─────────────▲                                        └▶ journal
//! ```
//!
//! Each arrow carries a batch, not an event. Modules depend on each other in one direction:
//! `event ← queue ← log ← route ← deliver ← engine`; `http` knows nothing of events, `filter` of nothing else.
#![warn(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!("Postrider runs on Linux on x86-64 and aarch64; see docs/architecture.md");

pub mod allow;
pub mod client;
pub mod config;
mod crc;
pub mod event;
pub mod fork;
pub mod fs;
pub mod inbox;
#[cfg(feature = "engine")]
mod prefetch;
#[cfg(any(feature = "engine", postrider_loom))]
mod sync;
#[cfg(feature = "engine")]
pub mod thread;
pub mod time;

#[cfg(feature = "engine")]
pub mod auth;
#[cfg(feature = "engine")]
pub mod deliver;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod filter;
#[cfg(feature = "engine")]
pub mod http;
#[cfg(feature = "engine")]
pub mod journal;
#[cfg(feature = "engine")]
pub mod log;
#[cfg(all(test, feature = "engine"))]
mod model;
#[cfg(any(feature = "engine", postrider_loom))]
pub mod queue;
#[cfg(feature = "engine")]
pub mod route;
#[cfg(feature = "engine")]
pub mod search;
#[cfg(feature = "engine")]
pub mod store;
#[cfg(feature = "engine")]
pub mod webhook;

/// A property test of so many cases, unless `PROPTEST_CASES` asks for another number.
#[cfg(all(test, feature = "engine"))]
pub(crate) fn cases(usual: u32) -> proptest::test_runner::Config {
    let asked = std::env::var("PROPTEST_CASES").ok();
    let asked = asked.and_then(|n| n.parse().ok());
    proptest::test_runner::Config::with_cases(asked.unwrap_or(usual))
}
