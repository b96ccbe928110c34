//! What the tests share.

pub mod binary;
pub mod capi;
pub mod cc;
pub mod exim;
pub mod packages;
pub mod receiver;
pub mod smtp;
