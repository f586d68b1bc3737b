//! The rules: who may do what, what a page shows, how a file is published.

pub mod inspect;
