//! File handles: as many as the system gives, and no more connections than leave some for files and the database. Whoever runs out
//! of them can open nothing any more, least of all for those who are served already.

use crate::limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes all handles that this process may have, and returns how many connections there may be.
pub fn connections() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = limits::CONNECTIONS_MAX as u64 * limits::HANDLES_PER_CONNECTION + limits::HANDLES_RESERVED;
    let may = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let mut handles = current.unwrap_or(wanted);
    if handles < may && setrlimit(Resource::Nofile, Rlimit { current: Some(may), maximum }).is_ok() {
        handles = may;
    }
    let connections = for_handles(handles);
    if connections < limits::CONNECTIONS_MAX {
        tracing::warn!(
            handles,
            connections,
            "so few file handles are allowed (ulimit -n) that fewer connections are served at once"
        );
    }
    connections
}

fn for_handles(handles: u64) -> usize {
    let left = handles.saturating_sub(limits::HANDLES_RESERVED) / limits::HANDLES_PER_CONNECTION;
    usize::try_from(left).unwrap_or(usize::MAX).clamp(limits::CONNECTIONS_MIN, limits::CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_kept_for_what_connections_need() {
        let all = limits::CONNECTIONS_MAX as u64 * limits::HANDLES_PER_CONNECTION + limits::HANDLES_RESERVED;
        assert_eq!(for_handles(all), limits::CONNECTIONS_MAX);
        assert_eq!(for_handles(u64::MAX), limits::CONNECTIONS_MAX);
        assert_eq!(for_handles(1024), 298);
        assert_eq!(for_handles(0), limits::CONNECTIONS_MIN);
    }
}
