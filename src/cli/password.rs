//! Where a command takes a password from: a file, standard input, or a person. Never an argument, which every user of the
//! machine can see in the list of processes.

use crate::config::read_secret;
use crate::secret::Secret;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::io::BufRead;
use std::path::PathBuf;

/// Without any of these a person is asked.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct PasswordSource {
    /// Take the password from this file.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Take the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    /// The new password of `user`; never an empty one.
    pub fn read(&self, user: &str) -> Result<Secret> {
        let password = match (&self.password_file, self.password_stdin) {
            (Some(file), _) => read_secret(file)?,
            (None, true) => from_stdin()?,
            (None, false) => from_person(user)?,
        };
        match password.reveal().is_empty() {
            true => bail!("the password is empty"),
            false => Ok(password),
        }
    }
}

fn from_stdin() -> Result<Secret> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("the password cannot be read from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).into())
}

fn from_person(user: &str) -> Result<Secret> {
    let ask = |prompt: String| {
        let answer = rpassword::prompt_password(prompt);
        answer.context("there is no terminal to ask for the password: use --password-file or --password-stdin")
    };
    let first = ask(format!("New password of {user}: "))?;
    let second = ask("Once more: ".into())?;
    match first == second {
        true => Ok(first.into()),
        false => bail!("the two passwords differ"),
    }
}
