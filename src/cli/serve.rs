//! `cheeseshop serve`: runs the server.

use super::out;
use crate::app;
use crate::config::ServeOptions;

/// Runs it until a signal ends it.
pub async fn run(options: ServeOptions) -> anyhow::Result<()> {
    app::run(options, &out::line).await
}
