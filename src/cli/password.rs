//! Where a password comes from: a file, standard input, or somebody at the terminal. Never an argument, which every process on
//! the machine could read.

use anyhow::Context;
use clap::Args;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

/// The ways to give a password.
#[derive(Debug, Clone, Args)]
pub struct PasswordArgs {
    /// File that holds the password; a line end behind it does not count
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    password_file: Option<PathBuf>,

    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArgs {
    /// Reads the password, asking for it twice if somebody is there to be asked.
    pub fn read(&self) -> anyhow::Result<String> {
        if let Some(path) = &self.password_file {
            return from_file(path);
        }
        if self.password_stdin {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("reading the password from standard input")?;
            return Ok(without_line_end(text));
        }
        anyhow::ensure!(std::io::stdin().is_terminal(), "give the password by --password-file or --password-stdin");
        let first = rpassword::prompt_password("Password: ").context("reading the password")?;
        let second = rpassword::prompt_password("Again: ").context("reading the password")?;
        anyhow::ensure!(first == second, "the two passwords differ");
        Ok(first)
    }
}

/// The secret in a file, without the line end that editors put behind it.
pub fn from_file(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading the secret in {}", path.display()))?;
    Ok(without_line_end(text))
}

fn without_line_end(text: String) -> String {
    text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).to_owned()).unwrap_or(text)
}
