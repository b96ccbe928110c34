//! Who wants which event.
//!
//! Routing turns a frame of the log into [`Run`]s: stretches of neighbouring offsets that one
//! webhook wants. A run is what a batch is cut from, and neighbours in a run are one slice of the
//! body on the wire. The rules of cost:
//!
//! * An event costs work for the webhooks that want it, not for those that don't: a [`Router`] is
//!   indexed by event type, and by subaccount for webhooks bound to one.
//! * A webhook that wants a whole frame costs one run, whatever the frame holds: one pass over
//!   the frame's table finds which types and subaccounts are in it, and most webhooks are decided
//!   by that alone.
//!
//! A [`Router`] is built from the [`Selection`]s in force and never changed; a change of webhooks
//! builds another, which is in force from the next frame on. It is pure: no log, no clock.

mod router;
mod run;
mod selection;

pub(crate) use router::BySubaccount;
pub use router::Router;
pub use run::{Run, Runs};
pub use selection::{Scope, Selection, TypeSet};
