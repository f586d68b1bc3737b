//! What the system says of this process, from `/proc`: nothing on systems that have none.

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// A look at the process.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Seconds of processor time, of all threads.
    pub cpu_seconds: f64,
    /// Bytes of memory that lie in RAM.
    pub resident_bytes: u64,
    /// Bytes of address space.
    pub virtual_bytes: u64,
    /// Open file handles.
    pub handles: u64,
    /// As many as there may be.
    pub handles_max: u64,
    /// Threads.
    pub threads: u64,
}

/// Looks now. Blocks for some microseconds.
pub fn look() -> Option<Process> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let handles = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    let (cpu_ticks, threads) = read_stat(&stat)?;
    let mut pages = statm.split(' ').map(|word| word.trim().parse::<u64>());
    let mut bytes = || Some(pages.next()?.ok()? * page_size() as u64);
    let (virtual_bytes, resident_bytes) = (bytes()?, bytes()?);
    Some(Process {
        cpu_seconds: cpu_ticks as f64 / clock_ticks_per_second() as f64,
        resident_bytes,
        virtual_bytes,
        // The folder that is being read is one of them.
        handles: handles.saturating_sub(1),
        handles_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        threads,
    })
}

/// Clock ticks of processor time and the number of threads, out of proc(5)'s `stat`: fields 14, 15 and 20.
fn read_stat(stat: &str) -> Option<(u64, u64)> {
    // The second field is the program's name in parentheses, which may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
    Some((field(14)? + field(15)?, field(20)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_no_trouble() {
        let stat = "17 (a) b ) S 1 17 17 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 9 0 12345 1000 200";
        assert_eq!(read_stat(stat), Some((200, 9)));
        assert_eq!(read_stat("17 (a"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_something_of_everything() {
        let held = std::fs::File::open("/proc/self/stat").unwrap();
        let now = look().unwrap();
        assert!(now.resident_bytes > 1 << 20 && now.virtual_bytes >= now.resident_bytes, "{now:?}");
        assert!(now.handles > 2 && now.handles_max > now.handles && now.threads > 1, "{now:?}");
        drop(held);
    }
}
