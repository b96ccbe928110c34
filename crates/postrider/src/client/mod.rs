//! The way in for processes that are not the engine's: a forked worker, a mail server's short-lived
//! delivery process, a tool. A [`Client`] encodes an event and appends it to the inbox: one `write`,
//! with no engine up, without threads, sockets or locks that outlive a fork.
//!
//! ```no_run
//! use postrider::client::Client;
//! use postrider::event::{Event, fields, types};
//!
//! let client = Client::connect("/var/lib/postrider")?;
//! client.push(&Event::new(types::DELIVERY).str(fields::RCPT_TO, "alice@example.com"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod options;
mod push;

pub use options::{Input, Level, Outcome, PushOptions, Pushed};
pub use push::{Client, ClientStats, PushError};
