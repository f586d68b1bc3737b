//! The commands, one file each. They parse their arguments, call the rules and print; they hold no rule.

mod healthcheck;
mod index;
mod out;
mod password;
mod serve;
mod token;
mod user;

use crate::app;
use crate::config::{DataArgs, LogFormat, ServeArgs};
use crate::index::{Core, Rules};
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

pub use out::line;
pub use password::from_file as password_from_file;
pub use token::{expiry as token_expiry, scope as token_scope};

/// A private Python package index: your packages, a mirror of PyPI and indexes that inherit, in one binary.
#[derive(Debug, Parser)]
#[command(name = "cheeseshop", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server; the same as no command at all
    Serve(Box<ServeArgs>),
    /// Users: add, set, passwd, list, show, remove
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },
    /// Indexes: add, set, list, show, remove
    Index {
        #[command(subcommand)]
        command: index::IndexCommand,
    },
    /// Tokens: add, list, remove
    Token {
        #[command(subcommand)]
        command: token::TokenCommand,
    },
    /// Ask a running server whether it lives; for containers
    Healthcheck(healthcheck::HealthcheckArgs),
}

/// Reads the command line, runs the command, prints what went wrong.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let command = match parse(with_serve(arguments.collect())) {
        Ok(cli) => cli.command,
        Err(error) => {
            // clap prints help to standard output with status 0, mistakes to standard error with status 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from);
    match done.and_then(|runtime| runtime.block_on(run(command))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// `cheeseshop --listen …` means `cheeseshop serve --listen …`.
fn with_serve(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let first = arguments.get(1).map(|argument| argument.to_string_lossy().into_owned());
    let about_itself = |text: &str| ["-h", "--help", "-V", "--version"].contains(&text);
    if first.is_none_or(|text| text.starts_with('-') && !about_itself(&text)) {
        arguments.insert(1.min(arguments.len()), "serve".into());
    }
    arguments
}

fn parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let matches = without_empty_variables(Cli::command()).try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// An environment variable that is set to nothing counts as not set: compose files and CI systems leave them so.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let unless_empty = |argument: Arg| {
        let empty = argument.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        if empty { argument.env(None::<&str>) } else { argument }
    };
    command.mut_args(unless_empty).mut_subcommands(without_empty_variables)
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve::run(*args).await,
        Command::User { command } => user::run(command).await,
        Command::Index { command } => index::run(command).await,
        Command::Token { command } => token::run(command).await,
        Command::Healthcheck(args) => healthcheck::run(&args).await,
    }
}

/// Starts logging to standard error.
fn start_logging(data: &DataArgs) -> anyhow::Result<()> {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(&data.log).map_err(|e| anyhow::anyhow!("--log '{}' is not a filter: {e}", data.log))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match data.log_format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// Opens the data for a command that works on them beside a server or without one. Only `serve` makes a data folder.
async fn open_existing(data: &DataArgs) -> anyhow::Result<Arc<Core>> {
    start_logging(data)?;
    data.check().map_err(anyhow::Error::msg)?;
    let missing = data.database.is_none() && !data.data_dir.join("cheeseshop.db").exists();
    anyhow::ensure!(
        !missing,
        "there are no data in {}: start the server once, or name another --data-dir",
        data.data_dir.display()
    );
    app::open(data, Rules::default()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let given = text.split(' ').map(OsString::from).collect();
        with_serve(given).into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn no_command_means_serve() {
        assert_eq!(words("cheeseshop"), ["cheeseshop", "serve"]);
        assert_eq!(words("cheeseshop --offline"), ["cheeseshop", "serve", "--offline"]);
        assert_eq!(words("cheeseshop user list"), ["cheeseshop", "user", "list"]);
        assert_eq!(words("cheeseshop --help"), ["cheeseshop", "--help"]);
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Every setting and its variable stand in the documentation, and every variable is named after its flag.
    #[test]
    fn every_setting_is_documented() {
        let documentation = include_str!("../../docs/configuration.md");
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        let mut settings = 0;
        for argument in serve.get_arguments().filter(|a| a.get_id() != "help") {
            let flag = argument.get_long().unwrap();
            let variable = argument.get_env().unwrap().to_str().unwrap();
            assert_eq!(variable, format!("CHEESESHOP_{}", flag.to_uppercase().replace('-', "_")));
            assert!(documentation.contains(&format!("| `--{flag}` | `{variable}` |")), "{flag} is not documented");
            settings += 1;
        }
        assert!(settings > 15, "{settings}");
    }

    #[test]
    fn every_option_of_an_index_and_every_limit_is_documented() {
        let documentation = include_str!("../../docs/configuration.md");
        for option in crate::index::settings::OPTIONS {
            let row = format!("| `{}` | {} |", option.name, option.help);
            assert!(documentation.contains(&row), "missing: {row}");
        }
        for line in include_str!("../limits.rs").lines() {
            if let Some(rest) = line.strip_prefix("pub const ") {
                let name = rest.split(':').next().unwrap();
                assert!(documentation.contains(&format!("| `{name}` |")), "{name} is not documented");
            }
        }
    }
}
