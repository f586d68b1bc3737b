use super::super::tree::tests::tree;
use super::*;
use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::index::Rules;
use crate::pypi::PageFile;
use crate::upstream::{Patience, Upstream};
use std::time::Duration;

/// Two mirrors may name one address and mean different bytes, and one may be allowed to ask it while the other is not.
#[tokio::test]
async fn mirrors_do_not_join_each_others_fetches() {
    let (db, folder) = crate::db::testing::sqlite().await;
    let blobs = Blobs::open_folder(&folder.path().join("blobs")).unwrap();
    let core = Core::new(db, blobs, Upstream::new(Patience::default()).unwrap(), Clock::System, Rules::default());
    let t = tree(&[("a/one", true, &[], json!({})), ("a/two", true, &[], json!({}))]);
    let project = ProjectName::parse("app").unwrap();
    let listed = |index: &str, bytes: &[u8]| Listed {
        origin: t.find("a", index).unwrap().index.clone(),
        file: PageFile::bare("app-1.0.tar.gz", "http://127.0.0.1:9/app-1.0.tar.gz"),
        version: None,
        blob: Some(Sha256::of(bytes)),
        metadata_blob: None,
    };
    for (index, bytes, under_way) in [("one", b"a", 1), ("two", b"a", 2), ("one", b"a", 2), ("one", b"b", 3)] {
        join(&core, &project, &listed(index, bytes));
        assert_eq!(core.fetches.0.lock().unwrap().len(), under_way, "{index} {bytes:?}");
    }
}

#[tokio::test]
async fn the_last_byte_of_a_part_waits_for_the_check_and_then_the_part_ends() {
    let file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut &file, b"0123456789").unwrap();
    let flow = Flow { content: file.into(), length: Some(10), written: 10 };
    let (sender, progress) = watch::channel(Progress::Flowing(flow.clone()));
    let mut part = Box::pin(Fetching { progress, length: Some(10) }.stream(Some(2..5)));
    assert_eq!(part.next().await.unwrap().unwrap(), "23");
    assert!(tokio::time::timeout(Duration::from_millis(50), part.next()).await.is_err(), "not checked yet");
    sender.send_replace(Progress::Checked(flow));
    assert_eq!(part.next().await.unwrap().unwrap(), "4");
    assert!(part.next().await.is_none(), "the rest of the file is not wanted");
}
