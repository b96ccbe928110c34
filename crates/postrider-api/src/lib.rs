//! crates/postrider-api
