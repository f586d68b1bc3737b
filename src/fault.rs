//! Where a test may end or stop the process: between two steps of a change that must never be half done.
//!
//! Only debug builds look: `CHEESESHOP_FAULT=upload-committed:kill:2` sends the process SIGKILL when it comes to that step for the
//! second time, `…:stop` sends SIGSTOP. In a release build [`at`] does nothing, and the variable means nothing.
//!
//! A step must never change what the program does in any other way.

/// The steps, in the order in which a change goes through them. The tests read their names here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Step {
    /// An upload's form and file were received; nothing is kept yet.
    UploadSpooled,
    /// A part of a large file was sent to an object store, which does not show the file yet.
    BlobPartSent,
    /// An upload's file is a blob; no row names it.
    UploadBlobKept,
    /// An upload's rows are written, not committed.
    UploadWritten,
    /// An upload is committed; caches and other nodes may not know, and the client was not answered.
    UploadCommitted,
    /// A page's rows were read; it is not rendered.
    PageGathered,
    /// What upstream shows of a project is recorded, not committed.
    RefreshWritten,
    /// It is committed; no page shows it.
    RefreshCommitted,
    /// A mirrored file has begun to come in.
    FetchBegun,
    /// A mirrored file is whole and checked; it is no blob yet.
    FetchChecked,
    /// A mirrored file is a blob; no row names it.
    FetchBlobKept,
    /// A mirrored file's rows are committed; its last byte was not sent.
    FetchNoted,
    /// A push's rows are written, not committed.
    PushWritten,
    /// A push is committed, not answered.
    PushCommitted,
    /// The rows of files that go are marked, not committed.
    RemoveWritten,
    /// Files are removed, and the client was not answered.
    RemoveCommitted,
    /// A blob that nothing names is marked for deletion.
    GcMarked,
    /// A marked blob's row is locked and found unused; its bytes are still there.
    GcChecked,
    /// A marked blob's bytes are deleted; its row is not.
    GcDeleted,
    /// Old rows are deleted, not committed.
    GcPruned,
    /// The rows of an export are written, not committed.
    ImportWritten,
    /// A backup has the blobs of the new copy of the database; the old copy still has the name.
    BackupCopied,
    /// A backup has the new copy of the database; blobs that only the old one named are still there.
    BackupPlaced,
}

/// Ends or stops the process here, if a test asked for it.
pub fn at(step: Step) {
    #[cfg(debug_assertions)]
    plan::follow(step);
    #[cfg(not(debug_assertions))]
    let _ = step;
}

#[cfg(debug_assertions)]
mod plan {
    use super::Step;
    use clap::ValueEnum;
    use rustix::process::{Signal, getpid, kill_process};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    struct Plan {
        step: Step,
        signal: Signal,
        left: AtomicI64,
    }

    static PLAN: LazyLock<Option<Plan>> = LazyLock::new(|| read(&std::env::var("CHEESESHOP_FAULT").ok()?));

    pub(super) fn follow(step: Step) {
        if let Some(plan) = &*PLAN
            && plan.step == step
            && plan.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            let _ = kill_process(getpid(), plan.signal);
        }
    }

    /// Reads `step:kill` or `step:stop`, and after another colon at which arrival, if not at the first.
    fn read(text: &str) -> Option<Plan> {
        let mut words = text.split(':');
        let step = Step::from_str(words.next()?, false).ok()?;
        let signal = match words.next()? {
            "kill" => Signal::KILL,
            "stop" => Signal::STOP,
            _ => return None,
        };
        let left = words.next().map_or(Some(1), |count| count.parse().ok())?;
        Some(Plan { step, signal, left: AtomicI64::new(left) })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_plan_names_a_step_and_what_happens_there() {
            let plan = read("upload-committed:kill:3").unwrap();
            assert_eq!((plan.step, plan.signal, plan.left.into_inner()), (Step::UploadCommitted, Signal::KILL, 3));
            assert_eq!(read("gc-marked:stop").unwrap().signal, Signal::STOP);
            for wrong in ["", "upload-committed", "upload-committed:hurt", "nowhere:kill", "gc-marked:kill:x"] {
                assert!(read(wrong).is_none(), "{wrong}");
            }
        }
    }
}
