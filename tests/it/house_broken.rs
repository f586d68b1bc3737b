//! Exports that are not whole, or not for this server, are refused, and leave nothing behind.

use super::house::{empty, export, import};
use super::support::full;
use super::support::{Engine, both};
use cheeseshop::moving::report::{Reason, Report};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

fn change(folder: &Path, change: impl FnOnce(&mut Value)) {
    let mut manifest = manifest(folder);
    change(&mut manifest);
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
}

/// Some blob of the export.
fn a_blob(folder: &Path) -> PathBuf {
    let below = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let blobs = below(folder.join("blobs")).filter(|path| path.file_name().unwrap().len() == 2);
    blobs.flat_map(below).flat_map(below).next().unwrap()
}

fn copy(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

type Breaking = fn(&Path);

/// Rewrites a table's file and its digest in the manifest.
fn rewrite(folder: &Path, table: &str, lines: impl FnOnce(String) -> String) {
    let path = folder.join("tables").join(format!("{table}.jsonl.zst"));
    let text = String::from_utf8(zstd::decode_all(fs::File::open(&path).unwrap()).unwrap()).unwrap();
    fs::write(&path, zstd::encode_all(lines(text).as_bytes(), 1).unwrap()).unwrap();
    let digest = super::support::dist::sha256(&fs::read(&path).unwrap());
    change(folder, |manifest| {
        let tables = manifest["tables"].as_array_mut().unwrap();
        tables.iter_mut().find(|entry| entry["name"] == table).unwrap()["sha256"] = json!(digest);
    });
}

const BREAKINGS: &[(Breaking, &str)] = &[
    (|folder| fs::remove_file(folder.join("manifest.json")).unwrap(), "was not finished"),
    (|folder| fs::write(folder.join("manifest.json"), "{").unwrap(), "cannot be read"),
    (|folder| change(folder, |manifest| manifest["format"] = json!(2)), "newer version"),
    (|folder| change(folder, |manifest| manifest["schema"] = json!(99_999)), "newer version"),
    (|folder| change(folder, |manifest| manifest["tables"][1]["columns"][1] = json!("shoe_size")), "newer version"),
    (|folder| change(folder, |manifest| manifest["tables"][0]["name"] = json!("../x")), "no table's name"),
    (|folder| change(folder, |manifest| manifest["tables"][1]["rows"] = json!(1)), "not the 1 that manifest.json names"),
    (|folder| fs::remove_file(folder.join("tables/users.jsonl.zst")).unwrap(), "users.jsonl.zst is missing"),
    (
        |folder| {
            let path = folder.join("tables/journal.jsonl.zst");
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        "journal.jsonl.zst is damaged",
    ),
    (|folder| fs::remove_file(a_blob(folder)).unwrap(), "neither in the export"),
    (
        |folder| {
            let path = a_blob(folder);
            let mut bytes = fs::read(&path).unwrap();
            bytes[0] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        "is damaged: its bytes have the digest",
    ),
    // Digests that agree, and rows that the database refuses: the last table, so that all others are written before.
    (|folder| rewrite(folder, "journal", |text| text.replacen("[1,", "[2,", 1)), "the rows of journal cannot be taken in"),
    (|folder| rewrite(folder, "files", |text| text.replacen('[', "[\"x\",", 1)), "the rows of files cannot be taken in"),
];

both! {
    async fn what_is_broken_is_refused_and_nothing_is_seen_of_it(engine: Engine) {
        let filled = full::fill(Engine::Sqlite).await;
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole");
        export(&filled.shop, &whole, true).await.unwrap();
        for (number, (breaking, reason)) in BREAKINGS.iter().enumerate() {
            let broken = folder.path().join(number.to_string());
            copy(&whole, &broken);
            breaking(&broken);
            let target = empty(engine).await;
            let nothing = full::rows(&target).await;
            let error = format!("{:#}", import(&target, &broken).await.unwrap_err());
            assert!(error.contains(reason), "{number}: {error}");
            let mut rows = full::rows(&target).await;
            // PostgreSQL's sequences are not part of transactions; a number that was skipped shows nowhere.
            if engine == Engine::Postgres {
                rows.values_mut().zip(nothing.values()).for_each(|(rows, nothing)| *rows.last_mut().unwrap() = nothing.last().unwrap().clone());
            }
            assert_eq!(rows, nothing, "{number}");
            // What it brought of the blobs is no hindrance.
            import(&target, &whole).await.unwrap();
        }
        let target = empty(engine).await;
        import(&target, &whole).await.unwrap();
        filled.is_all_in(&target.another().await).await;
        let error = import(&target, &whole).await.unwrap_err().to_string();
        assert!(error.contains("is not empty"), "{error}");
    }

    async fn an_export_goes_on_where_it_was_and_into_nothing_else(engine: Engine) {
        let filled = full::fill(engine).await;
        let folder = tempfile::tempdir().unwrap();
        let out = export(&filled.shop, folder.path(), true).await.unwrap();
        let error = export(&filled.shop, folder.path(), true).await.unwrap_err().to_string();
        assert!(error.contains("is not empty"), "{error}");
        // As if it had ended before the manifest and one blob.
        fs::rename(folder.path().join("manifest.json"), folder.path().join("manifest.json.part")).unwrap();
        fs::remove_file(a_blob(folder.path())).unwrap();
        let again = export(&filled.shop, folder.path(), true).await.unwrap();
        assert_eq!((again.came.blobs, again.there.blobs), (1, out.came.blobs - 1));
        assert!(!folder.path().join("blobs/incoming").exists());
        import(&empty(engine).await, folder.path()).await.unwrap();
    }

    /// What a broken disk has taken costs nobody the rest: an export without it is whole otherwise, says so, and moves in.
    async fn damaged_and_missing_blobs_are_left_out_and_named(engine: Engine) {
        let filled = full::fill(engine).await;
        let (damaged, missing) = (filled.wheel.sha256(), filled.yanked.sha256());
        let mut bytes = filled.wheel.bytes.clone();
        bytes[0] ^= 1;
        fs::write(filled.shop.blob_file(&damaged), bytes).unwrap();
        fs::remove_file(filled.shop.blob_file(&missing)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let out = export(&filled.shop, folder.path(), true).await.unwrap();
        let mut skipped = named(&out);
        skipped.sort();
        let mut wanted = [(Reason::WrongBytes, damaged.clone()), (Reason::MissingFile, missing.clone())];
        wanted.sort();
        assert_eq!(skipped, wanted);
        let lost: BTreeSet<String> = serde_json::from_value(manifest(folder.path())["blobs"]["lost"].clone()).unwrap();
        assert_eq!(lost, BTreeSet::from([damaged, missing]));
        let target = empty(engine).await;
        let came = import(&target, folder.path()).await.unwrap();
        assert_eq!((came.skipped.len(), came.came.blobs), (2, out.came.blobs));
        assert_eq!(full::rows(&target).await, full::rows(&filled.shop).await);
        let target = target.another().await;
        assert_eq!(target.get(&filled.removed.path("alice/dev")).await.status, 410);
        assert_eq!(target.get(&filled.mirrored.path("root/pypi")).await.is(200).body, filled.mirrored.bytes);
        target.get(&filled.wheel.path("alice/dev")).await.is(500);
        // Uploaded again, they are there again.
        for dist in [&filled.wheel, &filled.yanked] {
            target.upload("alice/dev", dist).await.is(200);
            assert_eq!(target.get(&dist.path("alice/dev")).await.is(200).body, dist.bytes);
        }
        target.is_sound().await;
    }
}

fn named(report: &Report) -> Vec<(Reason, String)> {
    report.skipped.iter().map(|skipped| (skipped.reason, skipped.name.clone())).collect()
}
