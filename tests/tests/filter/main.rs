//! Filters as shared objects: what is refused, what is contained, in what order they run, and what an engine does with them.

mod chain;
mod contain;
mod engine;
mod header;
mod load;
mod manage;
mod shipped;
mod watched;
mod webhook;
