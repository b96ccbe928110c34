//! The client against receivers on real loopback sockets.

mod connections;
mod guest;
mod identity;
mod policy;
mod proxy;
mod ranges;
mod support;
mod timing;
mod tls;
mod turns;
mod unhappy;
