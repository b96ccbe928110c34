//! What the tests share.

pub mod binary;
pub mod books;
pub mod capi;
pub mod cc;
pub mod certs;
pub mod exim;
pub mod filters;
pub mod packages;
pub mod poster;
pub mod receiver;
pub mod server;
pub mod smtp;
pub mod told;
