//! `cheeseshop serve`

use super::password::from_file;
use crate::app;
use crate::config::{Secret, ServeArgs};

/// Runs the server until it is told to stop.
pub async fn run(mut args: ServeArgs) -> anyhow::Result<()> {
    super::start_logging(&args.data)?;
    args.data.check().map_err(anyhow::Error::msg)?;
    if let Some(path) = &args.root_password_file {
        args.root_password = Some(Secret(from_file(path)?));
    }
    app::serve(args).await
}
