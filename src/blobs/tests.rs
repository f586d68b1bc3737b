//! The store over a folder.

use super::*;
use bytes::Bytes;
use futures_util::TryStreamExt;
use std::fs;
use std::io::Write;

fn store() -> (tempfile::TempDir, Blobs) {
    let root = tempfile::tempdir().unwrap();
    let blobs = Blobs::open_folder(root.path()).unwrap();
    (root, blobs)
}

async fn spooled(blobs: &Blobs, bytes: &'static [u8]) -> Spooled {
    let mut spool = blobs.spool(1000, Digests::All).await.unwrap();
    spool.write(Bytes::from_static(bytes)).await.unwrap();
    spool.finish().await.unwrap()
}

async fn all_of(blob: Blob) -> Vec<u8> {
    let size = blob.size;
    let pieces: Vec<Bytes> = blob.stream(0..size).try_collect().await.unwrap();
    pieces.concat()
}

fn spool_files(root: &Path) -> usize {
    let folders = fs::read_dir(root.join("tmp")).unwrap().filter_map(|entry| fs::read_dir(entry.unwrap().path()).ok());
    folders.flatten().filter(|entry| entry.as_ref().unwrap().file_name() != "lock").count()
}

#[tokio::test]
async fn a_committed_blob_lies_under_its_digest_and_can_be_read() {
    let (root, blobs) = store();
    let stored = blobs.commit(spooled(&blobs, b"abc").await).await.unwrap();
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(stored.sha256.hex(), hex);
    assert_eq!(fs::read(root.path().join("ba").join("78").join(hex)).unwrap(), b"abc");
    let blob = blobs.open(&stored.sha256).await.unwrap().unwrap();
    assert_eq!((blob.size, &all_of(blob).await[..]), (3, &b"abc"[..]));
    assert!(blobs.contains(&stored.sha256).await.unwrap());
    assert_eq!(spool_files(root.path()), 0);
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    let (_root, blobs) = store();
    let sha256 = Sha256::of(b"nothing");
    assert!(blobs.open(&sha256).await.unwrap().is_none());
    assert!(!blobs.contains(&sha256).await.unwrap());
    assert!(!blobs.delete(&sha256).await.unwrap());
    assert_eq!(blobs.usage().await.unwrap(), Usage::default());
}

#[tokio::test]
async fn the_same_bytes_are_kept_once() {
    let (root, blobs) = store();
    let first = blobs.commit(spooled(&blobs, b"abc").await).await.unwrap();
    let inode = |sha256: &Sha256| std::os::unix::fs::MetadataExt::ino(&fs::metadata(blobs_path(root.path(), sha256)).unwrap());
    let before = inode(&first.sha256);
    let second = blobs.commit(spooled(&blobs, b"abc").await).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(inode(&first.sha256), before, "the file that was there is kept");
    assert_eq!(blobs.usage().await.unwrap(), Usage { blobs: 1, bytes: 3 });
    assert_eq!(spool_files(root.path()), 0);
}

fn blobs_path(root: &Path, sha256: &Sha256) -> std::path::PathBuf {
    let hex = sha256.hex();
    root.join(&hex[..2]).join(&hex[2..4]).join(hex)
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_the_same_bytes_at_once_all_succeed() {
    let (root, blobs) = store();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let blobs = blobs.clone();
            tokio::spawn(async move { blobs.commit(spooled(&blobs, b"same").await).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().sha256, Sha256::of(b"same"));
    }
    assert_eq!(fs::read(blobs_path(root.path(), &Sha256::of(b"same"))).unwrap(), b"same");
    assert_eq!(spool_files(root.path()), 0);
}

#[tokio::test]
async fn a_torn_blob_is_replaced() {
    let (root, blobs) = store();
    let stored = blobs.put_bytes(Bytes::from_static(b"whole")).await.unwrap();
    let path = blobs_path(root.path(), &stored.sha256);
    fs::write(&path, b"wh").unwrap();
    blobs.put_bytes(Bytes::from_static(b"whole")).await.unwrap();
    assert_eq!(fs::read(path).unwrap(), b"whole");
}

#[tokio::test]
async fn listing_gives_blobs_and_nothing_else() {
    let (root, blobs) = store();
    let mut wanted = Vec::new();
    for n in 0..40_u8 {
        wanted.push(blobs.put_bytes(vec![n; usize::from(n)].into()).await.unwrap().sha256);
    }
    let gone = wanted.pop().unwrap();
    assert!(blobs.delete(&gone).await.unwrap());
    let first = wanted[0].as_bytes()[0];
    let folder = root.path().join(hex::encode([first]));
    fs::write(folder.join("notes.txt"), "not a blob").unwrap();
    fs::create_dir(folder.join("zz")).unwrap();
    fs::write(folder.join("zz").join(wanted[0].hex()), "a blob's name in the wrong folder").unwrap();
    let mut listed = Vec::new();
    for first in 0..=u8::MAX {
        listed.extend(blobs.list(first).await.unwrap().into_iter().map(|blob| blob.sha256));
    }
    wanted.sort();
    listed.sort();
    assert_eq!(listed, wanted);
    assert_eq!(blobs.usage().await.unwrap(), Usage { blobs: 39, bytes: (0..39).sum() });
}

#[tokio::test]
async fn leftovers_of_ended_processes_are_swept_and_live_ones_kept() {
    let (root, live) = store();
    let mut spool = live.spool(1000, Digests::Sha256).await.unwrap();
    spool.write(Bytes::from_static(b"under way")).await.unwrap();
    let dead = root.path().join("tmp").join("77-0");
    fs::create_dir(&dead).unwrap();
    fs::File::create(dead.join("lock")).unwrap().write_all(b"").unwrap();
    fs::write(dead.join("5"), b"half a file").unwrap();
    let second = Blobs::open_folder(root.path()).unwrap();
    assert!(!dead.exists());
    assert_eq!(spool_files(root.path()), 1, "the live spool's file is still there");
    let other = spooled(&second, b"of the second").await;
    live.commit(spool.finish().await.unwrap()).await.unwrap();
    second.commit(other).await.unwrap();
    assert_eq!(live.usage().await.unwrap().blobs, 2);
}

#[tokio::test]
async fn the_process_folder_stays_until_the_last_spool_is_gone_and_then_goes() {
    let (root, blobs) = store();
    let spooled = spooled(&blobs, b"abc").await;
    drop(blobs);
    Blobs::open_folder(root.path()).unwrap();
    assert!(spooled.file().is_ok(), "a spool keeps the lock of its folder");
    drop(spooled);
    let left: Vec<_> = fs::read_dir(root.path().join("tmp")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let err = Blobs::open_folder(&file.join("blobs")).unwrap_err();
    assert!(err.to_string().contains("file/blobs"), "{err}");
}

#[tokio::test]
async fn a_folder_that_vanished_is_an_error_not_a_panic() {
    let (root, blobs) = store();
    let ready = spooled(&blobs, b"abc").await;
    fs::remove_dir_all(root.path()).unwrap();
    assert!(blobs.spool(1000, Digests::Sha256).await.is_err());
    assert!(blobs.commit(ready).await.is_err());
}

#[tokio::test]
async fn a_folder_that_was_deleted_is_made_again_and_its_way_with_it() {
    let (root, blobs) = store();
    for _ in 0..2 {
        let stored = blobs.commit(spooled(&blobs, b"abc").await).await.unwrap();
        assert!(blobs.contains(&stored.sha256).await.unwrap());
        fs::remove_dir_all(root.path().join("ba")).unwrap();
        assert!(!blobs.contains(&stored.sha256).await.unwrap());
    }
}

#[tokio::test]
async fn nothing_is_made_where_the_store_is_gone() {
    let (root, blobs) = store();
    let waiting = spooled(&blobs, b"abc").await;
    fs::rename(root.path().join("tmp"), root.path().join("elsewhere")).unwrap();
    assert!(blobs.commit(waiting).await.is_err());
    assert!(!root.path().join("ba").exists(), "a disk that is not mounted stays as it is");
}
