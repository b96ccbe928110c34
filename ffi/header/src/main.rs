//! Header writer.
fn main() {}
