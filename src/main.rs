//! Cheeseshop.
fn main() {}
