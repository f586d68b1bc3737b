//! The commands. One file a command; each parses its own words, asks the rules as the system itself, and prints.
//!
//! Results go to standard output through [`out`], everything else to standard error. Statuses: 0 done, 1 failed, 2 asked wrongly.

mod backup;
mod bar;
mod doctor;
mod export;
mod gc;
mod healthcheck;
mod heap;
mod import;
mod index;
mod out;
mod password;
mod serve;
mod token;
mod upstream;
mod user;

use crate::app;
use crate::config::{Invalid, Place};
use crate::error::Error;
use crate::index::{Core, Rules, setup};
use crate::log;
use anyhow::{Result, bail};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

/// A private Python package index: your packages, a mirror of PyPI and indexes that inherit, in one binary.
///
/// Without a command it serves. Every flag --some-flag is also the environment variable CHEESESHOP_SOME_FLAG.
#[derive(Debug, Parser)]
#[command(name = "cheeseshop", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (the default).
    Serve(Box<crate::config::ServeOptions>),
    /// Make, change, list and remove users.
    User(user::User),
    /// Make, change, list and remove indexes.
    Index(index::Index),
    /// Make, list and revoke tokens.
    Token(token::Token),
    /// Move in from another Cheeseshop, from devpi, or from a folder of files.
    Import(import::Import),
    /// Write everything into a folder, for another server.
    Export(export::Export),
    /// Bring a backup of SQLite's database and all files up to date, while the server runs.
    Backup(backup::Backup),
    /// Print the index that `--upstream auto` would mirror.
    Upstream,
    /// Delete what nothing needs any more, and forget what is old.
    Gc(gc::Gc),
    /// Look whether everything that is promised is there.
    Doctor(doctor::Doctor),
    /// Ask the server on this machine whether it is well: status 0 if so.
    Healthcheck(healthcheck::Healthcheck),
}

/// All commands and flags. An environment variable that is set but empty is taken for unset.
pub fn command() -> clap::Command {
    without_empty_variables(Cli::command())
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    command.mut_args(|arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg }).mut_subcommands(without_empty_variables)
}

/// Runs what the command line asks for and returns the status to exit with.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let parsed = command().try_get_matches_from(with_default_command(args)).and_then(|matches| Cli::from_arg_matches(&matches));
    let done = match parsed {
        Ok(cli) => run_command(cli.command),
        Err(error) => {
            // Help and the version are no mistakes; clap knows where each goes and with which status.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::complain(&error);
            ExitCode::from(if error.is::<Invalid>() { 2 } else { 1 })
        }
    }
}

/// `cheeseshop` and `cheeseshop --flag …` mean `cheeseshop serve …`.
fn with_default_command(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    let serves = match args.get(1).and_then(|first| first.to_str()) {
        None => args.len() == 1,
        Some(first) => first.starts_with('-') && !["-h", "--help", "-V", "--version"].contains(&first),
    };
    if serves {
        args.insert(1, "serve".into());
    }
    args
}

fn run_command(command: Command) -> Result<()> {
    match &command {
        Command::Healthcheck(command) => return command.run(),
        Command::Serve(options) => {
            heap::bound();
            log::begin(&options.log, options.log_format, std::io::stderr)?;
        }
        _ => log::begin("warn", log::Format::Text, || out::Log)?,
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match command {
            Command::Serve(options) => serve::run(*options).await,
            Command::User(command) => command.run().await,
            Command::Index(command) => command.run().await,
            Command::Token(command) => command.run().await,
            Command::Import(command) => command.run().await,
            Command::Export(command) => command.run().await,
            Command::Backup(command) => command.run().await,
            Command::Upstream => upstream::run().await,
            Command::Gc(command) => command.run().await,
            Command::Doctor(command) => command.run().await,
            Command::Healthcheck(_) => Ok(()),
        }
    });
    // What was worth waiting for has been waited for; left to itself the runtime would wait for a stuck file system for ever.
    runtime.shutdown_background();
    done
}

/// Opens what a server has made at `place`, and nothing else: no command but `serve` and `import` makes a folder or a database.
async fn open(place: &Place) -> Result<Arc<Core>> {
    open_with(place, Rules::default()).await
}

/// The same with rules of its own.
async fn open_with(place: &Place, rules: Rules) -> Result<Arc<Core>> {
    let folder = place.data_dir.display();
    if !place.data_dir.is_dir() {
        bail!("there is no data folder {folder}: start `cheeseshop serve` once, or name the folder with --data-dir");
    }
    if let Some(file) = place.sqlite_file()?
        && !file.is_file()
    {
        bail!("there is no database {}: start `cheeseshop serve` once, or name it with --database", file.display());
    }
    let core = app::open(place, rules).await?;
    if setup::is_first_start(&core).await.map_err(app::start::plain)? {
        bail!("the database is empty: start `cheeseshop serve` on it once");
    }
    Ok(core)
}

/// Closes what [`open`] opened and turns the rules' error into one for a person at a terminal.
async fn close<T>(core: &Core, done: std::result::Result<T, Error>) -> Result<T> {
    core.tasks.close();
    core.tasks.wait().await;
    core.db.close().await;
    done.map_err(app::start::plain)
}
