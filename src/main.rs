//! The binary: hands the command line to [`cheeseshop::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    cheeseshop::cli::main(std::env::args_os())
}
