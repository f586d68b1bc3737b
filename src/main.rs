//! Cheeseshop, a private Python package index. Everything is in the library; see `cli`.

/// The C library's keeps what it was given back: the 19 MiB that a password is hashed in, once for each thread that ever did.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cheeseshop::cli::run(std::env::args_os())
}
