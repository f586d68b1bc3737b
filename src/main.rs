//! Cheeseshop, a private Python package index. Everything is in the library; see `cli`.

fn main() -> std::process::ExitCode {
    cheeseshop::cli::run(std::env::args_os())
}
