//! The other servers on this database: which of them live and how far each has followed the journal, so that a change is answered
//! only when all of them show it.
//!
//! A node lives while its heartbeat moves, by our own clock: what the others' clocks say does not matter. Nothing here decides
//! what a page shows; a node that is missed here follows the journal all the same.
//!
//! SQLite has no part in this: nobody could be woken there, so each change would wait for a poll, and each heartbeat would sync
//! the disk. Several processes on one SQLite file see each other's changes within one poll.

use super::core::Core;
use super::follow::in_time;
use crate::clock::Timestamp;
use crate::db::nodes::{NewNode, Node};
use crate::db::{self, Serial};
use crate::error::{Error, Result};
use crate::limits;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// This node among the others.
#[derive(Debug, Default)]
pub struct Nodes {
    me: OnceLock<Me>,
    others: Mutex<Others>,
    /// The serial that the others were last told we have seen.
    reported: AtomicI64,
    /// Wakes those who wait when something was heard of another node.
    heard: watch::Sender<()>,
}

#[derive(Debug)]
struct Me {
    id: String,
    name: String,
    started: Timestamp,
}

/// What is known of the others. Pure.
#[derive(Debug, Default)]
struct Others(HashMap<String, Other>);

#[derive(Debug, Default)]
struct Other {
    heartbeat: Timestamp,
    seen: Serial,
    /// When it last moved, by our clock; `None`: not since we know it, and it looked dead.
    moved: Option<Duration>,
    /// It let a change wait in vain, and has not moved since.
    lagging: bool,
}

impl Others {
    /// Takes over what the table says.
    fn read(&mut self, rows: Vec<Node>, uptime: Duration, now: Timestamp) {
        let mut before = std::mem::take(&mut self.0);
        for row in rows {
            let dead = now > row.heartbeat.plus(limits::NODE_CLOCKS_APART);
            let moved = Some(uptime).filter(|_| !dead);
            let new = Other { heartbeat: row.heartbeat, seen: row.seen, moved, lagging: false };
            let mut other = before.remove(&row.id).unwrap_or(new);
            if other.heartbeat != row.heartbeat || other.seen < row.seen {
                other = Other {
                    heartbeat: row.heartbeat,
                    seen: other.seen.max(row.seen),
                    moved: other.moved.max(Some(uptime)),
                    lagging: false,
                };
            }
            self.0.insert(row.id, other);
        }
    }

    /// Notes that a node has announced how far it is.
    fn hear(&mut self, id: String, seen: Serial, uptime: Duration) {
        let other = self.0.entry(id).or_default();
        *other = Other { heartbeat: other.heartbeat, seen: other.seen.max(seen), moved: Some(uptime), lagging: false };
    }

    fn live(&self, uptime: Duration) -> impl Iterator<Item = &Other> {
        let lives = move |other: &&Other| other.moved.is_some_and(|at| uptime.saturating_sub(at) <= limits::NODE_LIVE);
        self.0.values().filter(lives)
    }

    /// Whether a node that lives, and does not lag, has not seen this.
    fn lack(&self, serial: Serial, uptime: Duration) -> bool {
        self.live(uptime).any(|other| other.seen < serial && !other.lagging)
    }

    /// Waits no more for those who have not seen this until they move; returns who they are.
    fn give_up(&mut self, serial: Serial) -> Vec<String> {
        let behind = self.0.iter_mut().filter(|(_, other)| other.seen < serial && !other.lagging);
        behind
            .map(|(id, other)| {
                other.lagging = true;
                id.clone()
            })
            .collect()
    }
}

impl Nodes {
    fn others(&self) -> MutexGuard<'_, Others> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes this process a node that others wait for. `name` is where it listens, for people.
///
/// Between this and the first request the journal must be followed once more: what is changed from now on waits for us, what was
/// changed before is found then.
pub async fn join(core: &Core, name: &str) -> Result<()> {
    if !core.db.announces() {
        return Ok(());
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| Error::Internal(anyhow::anyhow!("no randomness: {error}")))?;
    let me = core.nodes.me.get_or_init(|| Me { id: hex::encode(random), name: name.to_owned(), started: core.clock.now() });
    add(core, me).await
}

async fn add(core: &Core, me: &Me) -> Result<()> {
    let node = NewNode { id: &me.id, name: &me.name, version: env!("CARGO_PKG_VERSION"), started: me.started };
    in_time(async { Ok(db::nodes::add(&mut core.db.read().await?, &node, core.clock.now()).await?) }).await
}

/// Stops being a node.
pub async fn leave(core: &Core) -> Result<()> {
    let Some(me) = core.nodes.me.get() else { return Ok(()) };
    in_time(async { Ok(db::nodes::remove(&mut core.db.read().await?, &me.id).await?) }).await
}

/// Writes that this node lives and how far it is, and looks how the others are. Called with each poll.
pub async fn beat(core: &Core) -> Result<()> {
    let Some(me) = core.nodes.me.get() else { return Ok(()) };
    if !tell(core, me, core.changes.seen()).await? {
        tracing::warn!("this node was taken for dead, and is back");
        add(core, me).await?;
    }
    look(core).await
}

async fn tell(core: &Core, me: &Me, seen: Serial) -> Result<bool> {
    let beat = async { Ok(db::nodes::beat(&mut core.db.read().await?, &me.id, seen, core.clock.now()).await?) };
    let told = in_time(beat).await?;
    core.nodes.reported.fetch_max(seen.0, Ordering::AcqRel);
    Ok(told)
}

/// Tells whoever waits for it how far this node is, unless it was told. With `always` also where no other node is known: a command
/// on the command line waits without being one. If it cannot be told now, the next poll tells it.
pub async fn report(core: &Core, seen: Serial, always: bool) {
    let Some(me) = core.nodes.me.get() else { return };
    let wanted = always || core.nodes.others().live(core.clock.uptime()).next().is_some();
    if wanted
        && core.nodes.reported.load(Ordering::Acquire) < seen.0
        && let Err(error) = tell(core, me, seen).await
    {
        tracing::debug!(%error, "could not tell the other nodes what this one has seen");
    }
}

/// Takes over what another node has announced.
pub fn hear(core: &Core, id: String, seen: Serial) {
    if core.nodes.me.get().is_none_or(|me| me.id != id) {
        core.nodes.others().hear(id, seen, core.clock.uptime());
        core.nodes.heard.send_replace(());
    }
}

/// Waits until every other live node has seen this, for as long as a client can be kept waiting for it. Alone it costs one look at
/// a table of one row.
pub async fn wait(core: &Core, serial: Serial) {
    if !core.db.announces() {
        return;
    }
    match timeout(limits::ACKNOWLEDGE_WAIT, until_seen(core, serial)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "it is not known whether the other nodes have seen a change"),
        Err(_) => {
            let nodes = core.nodes.others().give_up(serial);
            tracing::warn!(?nodes, serial = serial.0, "a change was answered although these nodes have not seen it");
        }
    }
}

async fn until_seen(core: &Core, serial: Serial) -> Result<()> {
    let mut heard = core.nodes.heard.subscribe();
    loop {
        look(core).await?;
        while core.nodes.others().lack(serial, core.clock.uptime()) {
            if timeout(limits::ACKNOWLEDGE_POLL, heard.changed()).await.is_err() {
                break;
            }
        }
        if !core.nodes.others().lack(serial, core.clock.uptime()) {
            return Ok(());
        }
    }
}

/// Reads how the others are, and forgets those that have been dead for long.
async fn look(core: &Core) -> Result<()> {
    let (now, me) = (core.clock.now(), core.nodes.me.get().map(|me| me.id.as_str()));
    let reading = async {
        let mut c = core.db.read().await?;
        let rows = db::nodes::all(&mut c).await?;
        if rows.iter().any(|row| row.heartbeat.plus(limits::NODE_KEPT) < now) {
            db::nodes::prune(&mut c, now.minus(limits::NODE_KEPT)).await?;
        }
        Ok(rows)
    };
    let mut rows = in_time(reading).await?;
    rows.retain(|row| Some(row.id.as_str()) != me);
    core.nodes.others().read(rows, core.clock.uptime(), now);
    Ok(())
}

/// A node as people see it.
#[derive(Debug)]
pub struct Shown {
    /// What it wrote.
    pub node: Node,
    /// Whether it is this one.
    pub here: bool,
    /// Whether it lives, as far as this one knows.
    pub lives: bool,
}

/// All nodes, the oldest first; none on SQLite.
pub async fn shown(core: &Core) -> Result<Vec<Shown>> {
    let rows = db::nodes::all(&mut core.db.read().await?).await?;
    let (me, uptime) = (core.nodes.me.get().map(|me| me.id.as_str()), core.clock.uptime());
    let others = core.nodes.others();
    let lives = |id: &str| {
        let moved = others.0.get(id).and_then(|other| other.moved);
        moved.is_some_and(|at| uptime.saturating_sub(at) <= limits::NODE_LIVE)
    };
    Ok(rows
        .into_iter()
        .map(|node| {
            let here = me == Some(node.id.as_str());
            Shown { here, lives: here || lives(&node.id), node }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1000);

    fn row(id: &str, heartbeat: i64, seen: i64) -> Node {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        Node {
            id: id.into(),
            name: String::new(),
            version: String::new(),
            started: at(0),
            heartbeat: at(heartbeat),
            seen: Serial(seen),
        }
    }

    fn now(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    #[test]
    fn a_live_node_is_waited_for_until_it_has_seen_the_change() {
        let mut others = Others::default();
        assert!(!others.lack(Serial(5), START), "alone");
        others.read(vec![row("b", 100, 4)], START, now(100));
        assert!(others.lack(Serial(5), START) && !others.lack(Serial(4), START));
        others.hear("b".into(), Serial(5), START);
        assert!(!others.lack(Serial(5), START));
        others.read(vec![row("b", 100, 4)], START, now(100));
        assert!(!others.lack(Serial(5), START), "a row that was read before it was written is no news");
        others.read(vec![], START, now(100));
        assert!(!others.lack(Serial(9), START), "a node that has left");
    }

    #[test]
    fn a_node_lives_while_its_heartbeat_moves_whatever_its_clock_says() {
        let mut others = Others::default();
        others.read(vec![row("ahead", 10_000, 1), row("behind", 80, 1), row("dead", 10, 1)], START, now(100));
        assert_eq!(others.live(START).count(), 2, "the third was dead when it was first seen");
        let later = START + limits::NODE_LIVE + Duration::from_secs(1);
        others.read(vec![row("ahead", 10_002, 1), row("behind", 80, 1), row("dead", 10, 1)], later, now(107));
        assert_eq!(others.live(later).count(), 1);
        others.read(vec![row("ahead", 10_002, 1), row("behind", 82, 1), row("dead", 12, 1)], later, now(107));
        assert_eq!(others.live(later).count(), 3, "whoever moves lives");
    }

    #[test]
    fn a_node_that_was_waited_for_in_vain_is_not_waited_for_again_before_it_moves() {
        let mut others = Others::default();
        others.read(vec![row("b", 100, 4), row("c", 100, 5)], START, now(100));
        assert_eq!(others.give_up(Serial(5)), ["b"]);
        assert!(!others.lack(Serial(5), START) && others.lack(Serial(6), START), "c is still waited for");
        others.hear("c".into(), Serial(6), START);
        assert!(!others.lack(Serial(6), START));
        others.read(vec![row("b", 102, 4), row("c", 100, 6)], START, now(102));
        assert!(others.lack(Serial(6), START));
    }
}
