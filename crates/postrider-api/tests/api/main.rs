//! The REST API against a backend that answers what a test tells it to.

mod auth;
mod bodies;
mod events;
mod fake;
mod ingest;
mod keys;
mod limits;
mod operations;
mod property;
mod tutorial;
mod webhooks;
