//! `cheeseshop upstream`: what `--upstream auto` would find on this machine. The Docker image's build asks it.

use super::out;
use crate::upstream::discover::{self, Ourselves, PIPS};
use anyhow::{Context, Result};

/// Prints the address, without its credentials: whoever asks may keep the answer where others can read it.
pub async fn run() -> Result<()> {
    let found = discover::discover(&|name| std::env::var(name).ok(), &Ourselves::default(), PIPS).await;
    let found =
        found.context("no index was found: neither pip nor uv is configured here, and no pip says what its default is")?;
    out::line(&found.origin.public());
    Ok(())
}
