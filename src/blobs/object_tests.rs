//! The store over an object store: what it keeps, what it never shows, and what it does when requests fail half way.

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use proptest::prelude::*;

use super::testing::{FlakyStore, Op, Trouble};
use super::*;
use crate::limits::OBJECT_WINDOW_BYTES_MAX;
use crate::limits::{
    BLOB_READ_BYTES, OBJECT_PART_BYTES, OBJECT_PARTS_AT_ONCE, OBJECT_PUT_BYTES_MAX, OBJECT_RESUMED_BYTES_MIN, OBJECT_RESUMES_MAX,
};

struct Shop {
    blobs: Blobs,
    store: FlakyStore,
    tmp: tempfile::TempDir,
}

fn shop() -> Shop {
    let (store, tmp) = (FlakyStore::default(), tempfile::tempdir().unwrap());
    let blobs = Blobs::open_objects(Arc::new(store.clone()), None, "some/where", &tmp.path().join("tmp")).unwrap();
    Shop { blobs, store, tmp }
}

fn bytes(size: u64) -> Bytes {
    (0..size).map(|n| (n % 251) as u8).collect()
}

impl Shop {
    async fn spooled(&self, bytes: &Bytes) -> Spooled {
        let mut spool = self.blobs.spool(u64::MAX, Digests::All).await.unwrap();
        spool.write(bytes.clone()).await.unwrap();
        spool.finish().await.unwrap()
    }

    async fn kept(&self, bytes: &Bytes) -> Blob {
        let stored = self.blobs.commit(self.spooled(bytes).await).await.unwrap();
        self.blobs.open(&stored.sha256).await.unwrap().unwrap()
    }

    fn spool_files(&self) -> usize {
        let folders = std::fs::read_dir(self.tmp.path().join("tmp")).unwrap();
        let folders = folders.filter_map(|entry| std::fs::read_dir(entry.unwrap().path()).ok());
        folders.flatten().filter(|entry| entry.as_ref().unwrap().file_name() != "lock").count()
    }
}

async fn all_of(blob: &Blob) -> io::Result<Bytes> {
    let pieces: Vec<Bytes> = blob.clone().stream(0..blob.size).try_collect().await?;
    Ok(pieces.concat().into())
}

#[tokio::test]
async fn a_blob_lies_below_the_prefix_and_comes_back_whole_and_in_part() {
    let shop = shop();
    for size in [0, 1, OBJECT_PUT_BYTES_MAX, OBJECT_PUT_BYTES_MAX + 1, 3 * OBJECT_PART_BYTES + 5] {
        let wanted = bytes(size);
        let blob = shop.kept(&wanted).await;
        assert_eq!(blob.size, size);
        assert!(all_of(&blob).await.unwrap() == wanted, "{size}");
        let (start, end) = (size / 3, size / 3 + size / 2);
        let part: Vec<Bytes> = blob.stream(start..end).try_collect().await.unwrap();
        assert!(part.concat() == wanted[start as usize..end as usize], "{start}..{end} of {size}");
    }
    let sha256 = Sha256::of(&bytes(1)).hex();
    let key = format!("some/where/{}/{}/{sha256}", &sha256[..2], &sha256[2..4]);
    assert!(shop.store.keys().await.contains(&key));
    assert_eq!(shop.spool_files(), 0);
}

#[tokio::test]
async fn small_files_go_at_once_and_large_ones_in_few_parts_of_bounded_size() {
    let shop = shop();
    shop.kept(&bytes(OBJECT_PUT_BYTES_MAX)).await;
    assert_eq!((shop.store.asked(Op::Put), shop.store.asked(Op::Begin)), (1, 0));
    let size = 4 * OBJECT_PART_BYTES + 1;
    shop.store.plan(Op::Part, 0, Trouble::Waits);
    tokio::time::timeout(Duration::from_secs(20), shop.kept(&bytes(size))).await.expect("parts go side by side");
    assert_eq!((shop.store.asked(Op::Put), shop.store.asked(Op::Begin), shop.store.asked(Op::Abort)), (1, 1, 0));
    let parts = shop.store.bytes_of(Op::Part);
    assert_eq!(parts.iter().sum::<u64>(), size);
    assert!(parts.iter().all(|part| *part <= OBJECT_PART_BYTES) && parts.len() == 5, "{parts:?}");
    assert_eq!(shop.store.parts_most(), OBJECT_PARTS_AT_ONCE);
}

#[tokio::test]
async fn the_same_bytes_are_sent_once_and_torn_ones_again() {
    let shop = shop();
    let blob = bytes(100);
    let first = shop.blobs.put_bytes(blob.clone()).await.unwrap();
    shop.kept(&blob).await;
    assert_eq!(shop.store.asked(Op::Put), 1);
    let Store::Objects(objects, _) = &shop.blobs.store else { panic!("a folder") };
    shop.store.put(&objects.key_of(&first.sha256), "torn".into()).await.unwrap();
    assert!(all_of(&shop.kept(&blob).await).await.unwrap() == blob);
}

#[tokio::test]
async fn objects_may_be_kept_by_whoever_was_sent_to_them() {
    let shop = shop();
    for size in [5, OBJECT_PUT_BYTES_MAX + 1] {
        shop.kept(&bytes(size)).await;
        let key = shop.store.keys().await.into_iter().find(|key| key.ends_with(&Sha256::of(&bytes(size)).hex())).unwrap();
        let attributes = shop.store.get(&Path::from(key)).await.unwrap().attributes;
        let cache = attributes.get(&object_store::Attribute::CacheControl).unwrap();
        assert_eq!(&**cache, "private, max-age=31536000, immutable");
    }
}

#[tokio::test]
async fn whatever_fails_nothing_half_is_shown_and_a_second_try_succeeds() {
    let size = 3 * OBJECT_PART_BYTES;
    let small = [(Op::Head, 0), (Op::Put, 0)];
    let large = [(Op::Head, 0), (Op::Begin, 0), (Op::Part, 0), (Op::Part, 1), (Op::Part, 2), (Op::Complete, 0)];
    let cases = small.map(|case| (10, case)).into_iter().chain(large.map(|case| (size, case)));
    for (size, (op, nth)) in cases {
        let shop = shop();
        let wanted = bytes(size);
        shop.store.plan(op, nth, Trouble::Fails);
        let error = shop.blobs.commit(shop.spooled(&wanted).await).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{op:?} {nth}");
        assert!(shop.store.keys().await.is_empty(), "{op:?} {nth}");
        let begun = shop.store.asked(Op::Begin) == 1 && op != Op::Begin;
        assert_eq!(shop.store.asked(Op::Abort), usize::from(begun), "{op:?} {nth}: parts are thrown away");
        assert_eq!(shop.spool_files(), 0);
        assert!(all_of(&shop.kept(&wanted).await).await.unwrap() == wanted, "{op:?} {nth}");
    }
}

#[tokio::test]
async fn parts_are_thrown_away_when_the_caller_stops_waiting() {
    let shop = shop();
    shop.store.plan(Op::Part, 1, Trouble::Hangs);
    let spooled = shop.spooled(&bytes(3 * OBJECT_PART_BYTES)).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), shop.blobs.commit(spooled)).await.is_err());
    while shop.store.asked(Op::Abort) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(shop.store.keys().await.is_empty());
    assert_eq!(shop.store.asked(Op::Complete), 0);
}

#[tokio::test]
async fn a_read_that_breaks_is_resumed_where_it_stopped() {
    for trouble in [Trouble::Breaks(0), Trouble::Breaks(1000), Trouble::Ends(1000), Trouble::Ends(0)] {
        let shop = shop();
        let wanted = bytes(5000);
        let blob = shop.kept(&wanted).await;
        shop.store.plan(Op::Get, 0, trouble);
        shop.store.plan(Op::Get, 1, trouble);
        assert!(all_of(&blob).await.unwrap() == wanted, "{trouble:?}");
        assert_eq!(shop.store.asked(Op::Get), 3);
        let asked = shop.store.bytes_of(Op::Get);
        let (Trouble::Breaks(at) | Trouble::Ends(at)) = trouble else { panic!() };
        assert_eq!(asked, [5000, 5000 - at as u64, 5000 - 2 * at as u64], "only what is missing is asked for");
    }
}

#[tokio::test]
async fn a_read_that_keeps_breaking_is_an_error_and_never_a_clean_end() {
    for trouble in [Trouble::Breaks(10), Trouble::Ends(10)] {
        let shop = shop();
        let blob = shop.kept(&bytes(5000)).await;
        for nth in 0..10 {
            shop.store.plan(Op::Get, nth, trouble);
        }
        let pieces: Vec<io::Result<Bytes>> = blob.stream(0..5000).collect().await;
        assert_eq!(pieces.len(), OBJECT_RESUMES_MAX + 2);
        assert!(pieces.last().unwrap().is_err(), "{trouble:?}");
        assert_eq!(shop.store.asked(Op::Get), OBJECT_RESUMES_MAX + 1);
    }
}

/// A download of hours may lose its connection many times.
#[tokio::test]
async fn a_read_that_comes_forward_is_resumed_as_often_as_it_breaks() {
    let shop = shop();
    let step = usize::try_from(OBJECT_RESUMED_BYTES_MIN).unwrap();
    let wanted = bytes(6 * OBJECT_RESUMED_BYTES_MIN);
    let blob = shop.kept(&wanted).await;
    for nth in 0..5 {
        shop.store.plan(Op::Get, nth, Trouble::Breaks(step));
    }
    assert!(all_of(&blob).await.unwrap() == wanted);
    assert_eq!(shop.store.asked(Op::Get), 6);
    // A little less each time, and it counts as the same place.
    for nth in 0..5 {
        shop.store.plan(Op::Get, nth, Trouble::Breaks(step / 4));
    }
    assert!(all_of(&blob).await.is_err());
}

#[tokio::test]
async fn a_blob_that_is_deleted_or_replaced_under_a_reader_is_an_error() {
    let shop = shop();
    let blob = shop.kept(&bytes(100)).await;
    let Store::Objects(objects, _) = &shop.blobs.store else { panic!("a folder") };
    let sha256 = Sha256::of(&bytes(100));
    shop.store.put(&objects.key_of(&sha256), bytes(200).into()).await.unwrap();
    assert_eq!(all_of(&blob).await.unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(shop.blobs.delete(&sha256).await.unwrap());
    assert_eq!(all_of(&blob).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!shop.blobs.delete(&sha256).await.unwrap());
    assert!(shop.blobs.open(&sha256).await.unwrap().is_none() && !shop.blobs.contains(&sha256).await.unwrap());
}

#[tokio::test]
async fn listing_gives_blobs_of_this_prefix_and_nothing_else() {
    let shop = shop();
    let mut wanted = Vec::new();
    for size in 0..40 {
        wanted.push(shop.blobs.put_bytes(bytes(size)).await.unwrap().sha256);
    }
    let hex = wanted[0].hex();
    for stray in [
        format!("some/where/{}/zz/{hex}", &hex[..2]),
        format!("some/where/{}/notes.txt", &hex[..2]),
        format!("{}/{}/{hex}", &hex[..2], &hex[2..4]),
    ] {
        shop.store.put(&stray.into(), "stray".into()).await.unwrap();
    }
    let mut listed = Vec::new();
    for first in 0..=u8::MAX {
        listed.extend(shop.blobs.list(first).await.unwrap().into_iter().map(|blob| blob.sha256));
    }
    wanted.sort();
    listed.sort();
    assert_eq!(listed, wanted);
    assert_eq!(shop.blobs.usage().await.unwrap(), Usage { blobs: 40, bytes: (0..40).sum() });
}

#[tokio::test]
async fn a_reader_gives_every_place_and_asks_little() {
    let shop = shop();
    let wanted = bytes(3 * OBJECT_WINDOW_BYTES_MAX);
    let blob = shop.kept(&wanted).await;
    let (store, size) = (shop.store.clone(), blob.size);
    let read = blob.read_with(move |reader| {
        let mut tail = [0; 7];
        reader.seek(SeekFrom::End(-7)).unwrap();
        reader.read_exact(&mut tail).unwrap();
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "nothing is behind the end");
        assert!(reader.seek(SeekFrom::End(-(size as i64) - 1)).is_err());
        assert_eq!(store.bytes_of(Op::Get), [7]);
        reader.seek(SeekFrom::Start(0)).unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        (tail, all)
    });
    let (tail, all) = read.await.unwrap();
    assert!(tail[..] == wanted[wanted.len() - 7..] && all == wanted);
    let asked = shop.store.bytes_of(Op::Get);
    assert_eq!(asked[1], BLOB_READ_BYTES as u64, "a first look is small");
    assert!(asked.iter().all(|bytes| *bytes <= OBJECT_WINDOW_BYTES_MAX), "{asked:?}");
    assert!(asked.len() <= 9, "windows grow: {asked:?}");
}

#[tokio::test]
async fn a_reader_of_a_part_ends_with_it() {
    let shop = shop();
    let wanted = bytes(100);
    for blob in [shop.kept(&wanted).await, Blob { size: 100, content: shop.spooled(&wanted).await.file().unwrap().into() }] {
        let mut reader = blob.reader(10..20).unwrap();
        let read = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            assert_eq!(reader.seek(SeekFrom::Start(8)).unwrap(), 8);
            reader.read_to_end(&mut all).unwrap();
            all
        });
        assert_eq!(read.await.unwrap(), [&wanted[10..20], &wanted[18..20]].concat());
    }
    assert_eq!(shop.store.bytes_of(Op::Get), [10], "nothing behind the part is asked for, and nothing twice");
}

#[tokio::test]
async fn a_read_that_failed_is_told_whatever_the_work_made_of_it() {
    let shop = shop();
    let blob = shop.kept(&bytes(100)).await;
    shop.store.down(true);
    let done = blob.clone().read_with(|reader| reader.read(&mut [0; 10]).ok()).await;
    assert_eq!(done.unwrap_err().kind(), ErrorKind::NotConnected);
    shop.store.down(false);
    assert_eq!(blob.read_with(|reader| reader.read(&mut [0; 10]).ok()).await.unwrap(), Some(10));
}

#[tokio::test]
async fn a_blob_is_copied_out_whole_or_not_at_all() {
    let shop = shop();
    let wanted = bytes(5000);
    let sha256 = shop.blobs.put_bytes(wanted.clone()).await.unwrap().sha256;
    let to = shop.tmp.path().join("out").join("file");
    for nth in 0..=OBJECT_RESUMES_MAX {
        shop.store.plan(Op::Get, nth, Trouble::Breaks(10));
    }
    assert!(shop.blobs.copy_out(&sha256, &to, Adopt::Link).await.is_err());
    assert_eq!(std::fs::read_dir(to.parent().unwrap()).unwrap().count(), 0);
    assert!(shop.blobs.copy_out(&sha256, &to, Adopt::Link).await.unwrap());
    assert!(std::fs::read(&to).unwrap() == wanted);
    assert_eq!(std::fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
    let again = shop.blobs.copy_out(&sha256, &to, Adopt::Copy).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    assert!(!shop.blobs.copy_out(&Sha256::of(b"none"), &to, Adopt::Copy).await.unwrap());
}

#[tokio::test]
async fn a_file_is_adopted_by_link_and_stays_where_it_was() {
    let shop = shop();
    let source = shop.tmp.path().join("app-1.0.zip");
    std::fs::write(&source, b"abc").unwrap();
    for how in [Adopt::Link, Adopt::Copy] {
        let spooled = shop.blobs.adopt(&source, how).await.unwrap();
        shop.blobs.commit(spooled).await.unwrap();
        assert_eq!(std::fs::read(&source).unwrap(), b"abc");
    }
    assert_eq!((shop.blobs.usage().await.unwrap().blobs, shop.spool_files()), (1, 0));
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_an_error_that_names_it() {
    let shop = shop();
    shop.blobs.check().await.unwrap();
    shop.blobs.attempt().await.unwrap();
    shop.store.down(true);
    for error in [shop.blobs.check().await.unwrap_err(), shop.blobs.attempt().await.unwrap_err()] {
        assert!(error.to_string().starts_with("flaky: the store does not answer: "), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Whatever breaks where: the right bytes, or an error.
    #[test]
    fn a_stream_is_right_or_fails(size in 1..3000_u64, a in 0.0..1.0, b in 0.0..1.0, troubles in prop::collection::vec((any::<bool>(), 0..3000_usize), 0..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let shop = shop();
            let wanted = bytes(size);
            let blob = shop.kept(&wanted).await;
            for (nth, (clean, at)) in troubles.iter().enumerate() {
                shop.store.plan(Op::Get, nth, if *clean { Trouble::Ends(*at) } else { Trouble::Breaks(*at) });
            }
            let at = |share: f64| (size as f64 * share) as u64;
            let (start, end) = (at(f64::min(a, b)), at(f64::max(a, b)));
            let got: io::Result<Vec<Bytes>> = blob.stream(start..end).try_collect().await;
            match got {
                Ok(pieces) => assert!(pieces.concat() == wanted[start as usize..end as usize]),
                Err(_) => assert!(troubles.len() > OBJECT_RESUMES_MAX),
            }
        });
    }
}
