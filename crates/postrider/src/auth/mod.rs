//! How a POST proves who it is from: Standard Webhooks signatures, and OAuth 2 tokens.
//!
//! A signature is made over `id.timestamp.body`, anew for every attempt: the id is the batch's and
//! stays, the timestamp is the attempt's. The body is the JSON, before any compression. With several
//! keys the header carries one signature of each, so that a receiver can change over from one key to
//! the next while both are in force. The specification is Standard Webhooks 1.0.0.

mod key;
mod sign;
#[cfg(test)]
mod tests;
mod token;

pub use key::{Key, KeyError, KeyKind, MAX_SECRET, MIN_SECRET};
pub use sign::{Signer, TOLERANCE, Verifier, VerifyError};
pub use token::{AccessToken, TokenFault, read_token};

/// Header of the message id: the batch id.
pub const ID: &str = "webhook-id";
/// Header of the attempt's time, in Unix seconds.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// Header of the signatures, with a space between them.
pub const SIGNATURE: &str = "webhook-signature";
