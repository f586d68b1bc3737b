//! Files and their metadata: whole, in part, and confirmed.

use super::support::dist::sha256;
use super::support::{Dist, Engine, JSON, Shop, both};

async fn stocked(engine: Engine) -> (Shop, Dist, String) {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &[]).await;
    // Several pieces of a blob's reading.
    let wheel = Dist::large_wheel("app", "1.0", 700_000);
    shop.upload("alice/dev", &wheel).await.is(200);
    let path = wheel.path("alice/dev");
    (shop, wheel, path)
}

both! {
    async fn a_file_is_sent_as_it_came(engine: Engine) {
        let (shop, wheel, path) = stocked(engine).await;
        let file = shop.get(&path).header("accept-encoding", "gzip, zstd").await.is(200);
        assert_eq!(file.body, wheel.bytes);
        assert_eq!(file.get("content-encoding"), None, "pip stores what it gets");
        assert_eq!(file.header("content-length"), wheel.bytes.len().to_string());
        assert_eq!(file.header("accept-ranges"), "bytes");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(file.header("etag"), format!("\"{}\"", wheel.sha256()));
        assert_eq!(file.header("last-modified"), "Sun, 01 Mar 2026 12:00:00 GMT");
        assert!(!file.header("content-type").contains("html"));
        assert_eq!(file.get("set-cookie"), None);
    }

    async fn parts_of_a_file(engine: Engine) {
        let (shop, wheel, path) = stocked(engine).await;
        let size = wheel.bytes.len();
        let parts = [
            ("bytes=0-0".to_owned(), 0..1),
            ("bytes=10-19".into(), 10..20),
            ("bytes=262143-262144".into(), 262_143..262_145),
            ("bytes=500000-".into(), 500_000..size),
            ("bytes=-10000".into(), size - 10_000..size),
            (format!("bytes=-{}", size * 2), 0..size),
            (format!("bytes={}-{}", size - 5, size + 100), size - 5..size),
        ];
        for (range, part) in parts {
            let answer = shop.get(&path).header("range", &range).await.is(206);
            assert_eq!(answer.header("content-range"), format!("bytes {}-{}/{size}", part.start, part.end - 1));
            assert_eq!(answer.header("content-length"), part.len().to_string());
            assert_eq!(answer.header("etag"), format!("\"{}\"", wheel.sha256()));
            assert_eq!(answer.body, wheel.bytes[part], "{range}");
        }
        for range in [format!("bytes={size}-"), format!("bytes={}-{}", size + 1, size + 2), "bytes=-0".into()] {
            let answer = shop.get(&path).header("range", &range).await.is(416);
            assert_eq!(answer.header("content-range"), format!("bytes */{size}"), "{range}");
            assert!(answer.body.is_empty());
        }
        for ignored in ["bytes=5-2", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b"] {
            assert_eq!(shop.get(&path).header("range", ignored).await.is(200).body.len(), size, "{ignored}");
        }
    }

    async fn a_wheel_read_in_pieces_is_the_wheel(engine: Engine) {
        let (shop, wheel, path) = stocked(engine).await;
        let mut read = Vec::new();
        while read.len() < wheel.bytes.len() {
            let range = format!("bytes={}-{}", read.len(), read.len() + 65_535);
            read.extend_from_slice(&shop.get(&path).header("range", &range).await.is(206).body);
        }
        assert_eq!(read, wheel.bytes);
    }

    async fn a_download_is_resumed_only_if_the_file_is_the_same(engine: Engine) {
        let (shop, wheel, path) = stocked(engine).await;
        let resume = |if_range: &str| shop.get(&path).header("range", "bytes=1000-").header("if-range", if_range);
        let same = [format!("\"{}\"", wheel.sha256()), "Sun, 01 Mar 2026 12:00:00 GMT".into()];
        for validator in &same {
            let rest = resume(validator).await.is(206);
            assert_eq!(rest.body, wheel.bytes[1000..], "{validator}");
        }
        let weak = format!("W/\"{}\"", wheel.sha256());
        for validator in ["\"other\"", "Sun, 01 Mar 2026 11:59:59 GMT", "Sun, 01 Mar 2026 12:00:01 GMT", "nonsense", &weak] {
            assert_eq!(resume(validator).await.is(200).body, wheel.bytes, "{validator}");
        }
    }

    async fn a_file_is_confirmed(engine: Engine) {
        let (shop, wheel, path) = stocked(engine).await;
        for suffix in ["", ".metadata"] {
            let path = format!("{path}{suffix}");
            let file = shop.get(&path).await.is(200);
            let again = shop.get(&path).header("if-none-match", file.header("etag")).await.is(304);
            for name in ["etag", "cache-control", "last-modified"] {
                assert_eq!(again.get(name), file.get(name), "{name}");
            }
            assert!(again.body.is_empty());
            shop.get(&path).header("if-none-match", "\"other\"").await.is(200);
        }
        let list = format!("\"other\", \"{}\"", wheel.sha256());
        shop.get(&path).header("if-none-match", &list).await.is(304);
    }

    async fn head_of_a_part(engine: Engine) {
        let (shop, wheel, path) = stocked(engine).await;
        let head = shop.head(&path).await.is(200);
        assert_eq!((head.header("content-length"), head.header("accept-ranges")), (wheel.bytes.len().to_string().as_str(), "bytes"));
        assert_eq!(head.get("location"), None, "pip's lazy wheels break on redirects");
        let part = shop.head(&path).header("range", "bytes=0-9").await.is(206);
        assert_eq!(part.header("content-length"), "10");
    }

    async fn metadata_is_that_of_the_file(engine: Engine) {
        let (shop, wheel, path) = stocked(engine).await;
        let metadata = shop.get(&format!("{path}.metadata")).header("accept-encoding", "gzip").await.is(200);
        assert_eq!(metadata.body, wheel.metadata, "byte for byte");
        assert_eq!(metadata.header("etag"), format!("\"{}\"", sha256(&wheel.metadata)));
        assert_eq!(metadata.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(metadata.get("content-encoding"), None);
        let promised = shop.page("alice/dev", "app").await.link(&wheel.filename).metadata;
        assert_eq!(promised, Some(format!("sha256={}", sha256(&metadata.body))), "the hash on the page");
        assert_eq!(shop.head(&format!("{path}.metadata")).await.is(200).header("content-length"), wheel.metadata.len().to_string());
        let part = shop.get(&format!("{path}.metadata")).header("range", "bytes=0-15").await.is(206);
        assert_eq!(part.body.as_ref(), b"Metadata-Version");
    }

    async fn a_local_version_is_found_however_its_plus_is_written(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let wheel = Dist::wheel("app", "1.0+cu12.1");
        assert!(wheel.filename.contains('+'));
        shop.upload("alice/dev", &wheel).await.is(200);
        for form in [JSON, "text/html"] {
            let link = shop.get("/alice/dev/+simple/app/").accept(form).await.link(&wheel.filename);
            assert_eq!(shop.get(&link.path).await.is(200).body, wheel.bytes);
        }
        let literal = wheel.path("alice/dev");
        let (folder, name) = literal.rsplit_once('/').unwrap();
        for name in [name.to_owned(), name.replace('+', "%2B"), name.replace('+', "%2b"), name.replace('.', "%2E")] {
            for suffix in ["", ".metadata"] {
                shop.get(&format!("{folder}/{name}{suffix}")).await.is(200);
                shop.get(&format!("{}/{name}{suffix}", folder.replace("+f", "%2Bf"))).await.is(200);
            }
        }
    }

    async fn only_the_right_address_finds_a_file(engine: Engine) {
        let (shop, wheel, path) = stocked(engine).await;
        shop.stage("alice/empty", &[]).await;
        let digest = wheel.sha256();
        let wrong = [
            path.replace(&digest[..3], "000"),
            path.replace("alice/dev", "alice/empty"),
            path.replace("alice/dev", "alice/none"),
            path.replace("app-1.0", "app-1.1"),
            path.replace("app-1.0", "APP-1.0"),
            format!("/alice/dev/+f/{}/{}", &digest[..3], wheel.filename),
            format!("/alice/dev/+e/{}/{}", &digest[..16], wheel.filename),
            format!("{path}.asc"),
            format!("{path}.metadata.metadata"),
        ];
        for path in wrong {
            shop.get(&path).await.is(404);
            shop.head(&path).await.is(404);
        }
        // POST attaches test results.
        for method in ["PUT", "PATCH"] {
            let refused = shop.ask(method.parse().unwrap(), &path).by("alice").await;
            assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD, POST, DELETE"));
        }
    }

    async fn a_base_s_file_is_found_through_every_index_above(engine: Engine) {
        let (shop, wheel, path) = stocked(engine).await;
        shop.stage("bob/one", &["bases=alice/dev"]).await;
        shop.stage("bob/two", &["bases=bob/one"]).await;
        for index in ["alice/dev", "bob/one", "bob/two"] {
            let through = path.replace("alice/dev", index);
            assert_eq!(shop.page(index, "app").await.link(&wheel.filename).path, through, "links stay below the index asked");
            assert_eq!(shop.get(&through).await.is(200).body, wheel.bytes);
            assert_eq!(shop.get(&format!("{through}.metadata")).await.is(200).body, wheel.metadata);
        }
    }

    async fn the_same_bytes_are_stored_once(engine: Engine) {
        let (shop, wheel, _) = stocked(engine).await;
        let blobs = shop.stored().await.1;
        shop.stage("bob/dev", &[]).await;
        shop.upload("bob/dev", &wheel).await.is(200);
        assert_eq!(shop.stored().await.1, blobs);
        assert_eq!(shop.get(&wheel.path("bob/dev")).await.is(200).body, wheel.bytes);
    }

    async fn files_survive_a_restart(engine: Engine) {
        let (shop, wheel, path) = stocked(engine).await;
        let page = shop.page("alice/dev", "app").await;
        let shop = shop.restarted(Default::default()).await;
        assert_eq!(shop.page("alice/dev", "app").await.body, page.body);
        assert_eq!(shop.get(&path).await.is(200).body, wheel.bytes);
    }
}
