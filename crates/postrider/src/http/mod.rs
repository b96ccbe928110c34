//! The HTTP/1.1 client: a protocol core without sockets, and a loop that drives it.
//!
//! [`proto`] turns bytes into answers and knows no socket, no clock and no thread; [`net`] owns
//! connections, names, TLS and deadlines. Neither knows what an event is.
//!
//! An exchange is one POST and its answer. A receiver that has sent a complete final head *has
//! answered*: whatever happens to the connection afterwards is said in [`BodyEnd`], never turned
//! into an error, so that an accepted batch is not sent a second time.

pub mod net;
pub mod proto;

pub use crate::allow::AllowTarget;
pub use net::{
    Body, Client, Config, Counters, Done, ErrorKind, HttpError, Identity, IdentityError, NoProxy,
    NoProxyError, Phase, Policy, PolicyError, Proxy, ProxyError, Request, Response, Setup, Slice,
    Target, TargetError, Timeouts, Waker, WeakBody,
};
pub use proto::{BodyEnd, HeaderError, HeaderLines, Headers, Method, NoReuse, Reuse, check_header};
