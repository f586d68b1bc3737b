//! The two ways to stop: finish what runs, or end at once.

use std::io;

use tokio_util::sync::CancellationToken;

/// Tells the parts of the program to stop. Clones stop together.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Cancelled first: take nothing new, finish what runs.
    pub drain: CancellationToken,
    /// Cancelled when patience has ended: drop what still runs.
    pub now: CancellationToken,
}

impl Shutdown {
    /// A shutdown that follows the signals of the system: the first SIGTERM or Ctrl-C drains, the second ends at once.
    ///
    /// Call it inside the runtime and once; from here on the signals no longer kill the process.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::default();
        let mut signals = Signals::listen()?;
        let told = shutdown.clone();
        tokio::spawn(async move {
            signals.next().await;
            tracing::info!("stopping: running requests may finish; a second signal ends them");
            told.drain.cancel();
            signals.next().await;
            tracing::warn!("stopping at once");
            told.now.cancel();
        });
        Ok(shutdown)
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn signal_myself(name: &str) {
        let pid = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_ends() {
        let shutdown = Shutdown::on_signals().unwrap();
        signal_myself("TERM");
        tokio::time::timeout(Duration::from_secs(5), shutdown.drain.cancelled()).await.unwrap();
        assert!(!shutdown.now.is_cancelled());
        signal_myself("INT");
        tokio::time::timeout(Duration::from_secs(5), shutdown.now.cancelled()).await.unwrap();
    }
}
