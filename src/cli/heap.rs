//! How much freed memory the C library keeps for later. glibc lets that be said in the environment of a new program only, so the server
//! starts its own program once more, in the same process, before it opens anything. Must never be called in another program, as in tests.

/// Has blocks of 128 KiB and more given back to the system as soon as they are freed, and smaller ones kept in one heap a core, unless the
/// environment says something else.
///
/// By itself glibc raises that bound to the largest block that was ever freed, up to 32 MiB, keeps what is smaller in up to eight heaps a
/// core, and seldom gets it back whole: after an hour of mixed load 138 MB, of which 19 were in use (`benches/soak.py`).
///
/// Returns if there is nothing to be done, or if it cannot be done: then the server takes more memory, and nothing else.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn bound() {
    use std::os::unix::process::CommandExt;
    use std::{env, process, thread};

    const LARGE_BLOCK: &str = "MALLOC_MMAP_THRESHOLD_";
    const LARGE_BLOCK_BYTES: &str = "131072";
    const HEAPS: &str = "MALLOC_ARENA_MAX";

    if env::var_os(LARGE_BLOCK).is_some() || env::var_os(HEAPS).is_some() {
        return;
    }
    let (Ok(program), Ok(cores), mut args) = (env::current_exe(), thread::available_parallelism(), env::args_os()) else {
        return;
    };
    let mut again = process::Command::new(program);
    if let Some(name) = args.next() {
        again.arg0(name);
    }
    let _failed = again.args(args).env(LARGE_BLOCK, LARGE_BLOCK_BYTES).env(HEAPS, cores.to_string()).exec();
}

/// Other libraries are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn bound() {}
