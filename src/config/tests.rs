use super::*;
use clap::Parser;

#[derive(Debug, Parser)]
struct Serve {
    #[command(flatten)]
    options: ServeOptions,
}

fn parse(args: &[&str]) -> Result<ServeOptions, String> {
    let args = std::iter::once("serve").chain(args.iter().copied());
    let parsed = Serve::try_parse_from(args).map_err(|error| error.to_string())?.options;
    parsed.check().map_err(|error| error.to_string())?;
    Ok(parsed)
}

#[test]
fn the_defaults_are_usable() {
    let options = parse(&[]).unwrap();
    assert_eq!(options.listen, "127.0.0.1:3141".parse().unwrap());
    assert_eq!(options.max_file_size.0, limits::FILE_BYTES_MAX);
    assert_eq!(options.page_cache.0, limits::PAGE_CACHE_BYTES);
    assert_eq!(options.upstream_choice().unwrap(), UpstreamChoice::Auto);
    assert_eq!(options.place.database_url().unwrap().reveal(), "sqlite:cheeseshop-data/cheeseshop.db");
    assert_eq!(options.place.blobs_address(), Address::Folder("cheeseshop-data/blobs".into()));
    assert!(options.root_password().unwrap().is_none() && options.default_index.is_none());
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_reason() {
    for (args, reason) in [
        (&["--listen", "3141"][..], "IP address and a port"),
        (&["--listen", "localhost:3141"], "IP address and a port"),
        (&["--database", "mysql://x"], "--database must be"),
        (&["--database", "sqlite::memory:"], "--database must be"),
        (&["--upstream", "ftp://index.example/"], "https://"),
        (&["--upstream", "index.example"], "--upstream must be"),
        (&["--default-index", "root"], "user/index"),
        (&["--outside-url", "packages.example"], "https://packages.example/"),
        (&["--outside-url", "https://me:secret@packages.example/"], "https://packages.example/"),
        (&["--trusted-proxy", "10.0.0.0/33"], "network"),
        (&["--max-file-size", "4GB"], "not a size"),
        (&["--max-file-size", "0"], "at least one byte"),
        (&["--restrict-modify", "a/b"], "aren't allowed"),
        (&["--blobs", "s3://"], "name of the bucket is missing"),
        (&["--blobs", "ftp://bucket"], "gs://bucket/prefix"),
        (&["--blob-delivery", "redirect"], "use stream, or auto"),
        (&["--blob-delivery", "fast"], "redirect"),
        (&["--log", "info,=,"], "invalid"),
        (&["--log-format", "xml"], "text"),
        (&["--metrics", "everybody"], "public"),
        (&["--tls-cert", "cert.pem"], "--tls-key"),
        (&["--tls-key", "key.pem"], "--tls-cert"),
        (&["--root-password", "a", "--root-password-file", "b"], "cannot be used with"),
        (&["--root-password-file", "/no/such/file"], "cannot be read"),
        (&["--listen", "0.0.0.0:3141", "--root-password", ""], "loopback"),
    ] {
        let error = parse(args).unwrap_err();
        assert!(error.contains(reason), "{args:?}: {error}");
    }
    parse(&["--listen", "[::1]:3141", "--root-password", ""]).unwrap();
}

#[test]
fn lists_may_be_repeated_or_joined() {
    let options = parse(&["--trusted-proxy", "10.0.0.0/8,127.0.0.1", "--trusted-proxy", "::1"]).unwrap();
    let networks: Vec<String> = options.trusted_proxy.iter().map(IpNet::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "127.0.0.1/32", "::1/128"]);
    let users = parse(&["--restrict-modify", "alice,bob"]).unwrap().restrict_modify.unwrap();
    assert_eq!(users.iter().map(UserName::as_str).collect::<Vec<_>>(), ["alice", "bob"]);
}

#[test]
fn secrets_come_from_files_without_their_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "https://me:word@index.example/simple\r\n").unwrap();
    let options = parse(&["--upstream-file", file.to_str().unwrap()]).unwrap();
    let UpstreamChoice::At(origin) = options.upstream_choice().unwrap() else { panic!("no address") };
    assert!(origin.with_credentials().contains("me:word"));
    std::fs::write(&file, "\n").unwrap();
    assert!(parse(&["--root-password-file", file.to_str().unwrap()]).unwrap_err().contains("is empty"));
}

#[test]
fn no_secret_is_shown() {
    let args = [
        "--root-password",
        "sesame",
        "--upstream",
        "https://me:sesame@index.example/",
        "--database",
        "postgres://me:sesame@db/x",
    ];
    let options = parse(&args).unwrap();
    assert!(!format!("{options:?}").contains("sesame"));
    for args in [["--upstream", "ftp://me:sesame@x/"], ["--database", "mysql://me:sesame@db/x"]] {
        let error = parse(&args).unwrap_err();
        assert!(!error.contains("sesame"), "{error}");
    }
}

#[test]
fn the_file_of_a_database_is_found_again() {
    for folder in ["data", "/srv/a b", "/srv/50%?", "/srv/ünal"] {
        let file = Path::new(folder).join("cheeseshop.db");
        let options = parse(&["--data-dir", folder]).unwrap();
        assert_eq!(options.place.sqlite_file().unwrap(), Some(file), "{folder}");
    }
    let file = |url| parse(&["--database", url]).unwrap().place.sqlite_file().unwrap();
    assert_eq!(file("sqlite:///srv/x.db?mode=rw"), Some("/srv/x.db".into()));
    assert_eq!(file("postgres://127.0.0.1/x"), None);
}
