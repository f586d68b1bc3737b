//! How far a long command has come, on standard error: a bar on a terminal, a line of text anywhere else. A bar is never written
//! into a file or a pipe.
//!
//! There is one terminal, so there is one bar. Everything else that is written meanwhile goes [`above`] it.

use super::out;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The bar on the terminal, if there is one.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn shown() -> MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often the bar is drawn, by itself too: the time that it shows runs on while nothing is told.
const DRAWN_PER_SECOND: u8 = 10;

/// Progress that is shown until this is dropped.
pub struct Bar(Option<ProgressBar>);

impl Bar {
    /// Nothing is drawn before something is told. Must be called within the runtime.
    pub fn begin() -> Self {
        if !out::is_terminal() {
            return Self(None);
        }
        let target = ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND);
        let bar = ProgressBar::with_draw_target(None, target).with_style(style("{spinner} {elapsed} {wide_msg}"));
        *shown() = Some(bar.clone());
        leave_clean_when_interrupted();
        Self(Some(bar))
    }

    /// Shows what is going on, and so much of so much if that is known: a bar on a terminal, else a line.
    pub fn show(&self, text: &str, share: Option<(u64, u64)>) {
        let Some(bar) = &self.0 else {
            let percent = share.and_then(|(done, of)| (done * 100).checked_div(of));
            return out::progress(&percent.map_or(text.to_owned(), |percent| format!("{percent}% {text}")));
        };
        if let Some((done, of)) = share {
            if bar.length() != Some(of) {
                bar.set_style(style("[{bar:30}] {percent:>3}% {elapsed} {wide_msg}"));
                bar.set_length(of);
            }
            bar.set_position(done);
        }
        // The first time: it draws by itself from now on.
        if bar.message().is_empty() {
            bar.enable_steady_tick(Duration::from_millis(1000 / u64::from(DRAWN_PER_SECOND)));
        }
        bar.set_message(text.to_owned());
    }
}

/// Takes the bar off the terminal.
impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.0.take() {
            *shown() = None;
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// Writes something while no bar is in its way.
pub fn above<T>(write: impl FnOnce() -> T) -> T {
    // Not while the lock is held: drawing may wait for the terminal.
    let bar = shown().clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Ctrl-C ends the program as it does without a bar, with the status that shells know for it, and leaves no half of a bar behind.
fn leave_clean_when_interrupted() {
    tokio::spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            if let Some(bar) = shown().take() {
                bar.finish_and_clear();
            }
            std::process::exit(INTERRUPTED);
        }
    });
}

/// 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;
