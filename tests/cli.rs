//! The program as people start it: what it prints, where, with which status, and what it leaves behind.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly, in its helpers too")]

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The program in an empty environment: nothing of this machine's configures it.
fn cheeseshop(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cheeseshop"));
    // A PATH without pip: nothing is found that could be mirrored.
    command.env_clear().env("PATH", folder).env("CHEESESHOP_DATA_DIR", folder.join("data"));
    command.args(args).stdin(Stdio::null());
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    cheeseshop(folder, args).output().unwrap()
}

/// What a command that must succeed prints.
fn ok(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The status and the message of a command that must fail.
fn fails(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = run(folder, args);
    assert_eq!(text(&output.stdout), "", "{args:?}");
    (output.status.code().unwrap(), text(&output.stderr))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A running server; killed when a test fails.
struct Server {
    child: Child,
    /// The lines it printed up to the one with the default index, which is the last.
    printed: Vec<String>,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // From here on it is ended even if an assertion fails.
        let mut server = Self { child, printed: Vec::new() };
        for line in BufReader::new(server.child.stdout.take().unwrap()).lines() {
            server.printed.push(line.unwrap());
            if server.line("  /simple/").is_some() {
                return server;
            }
        }
        let mut log = String::new();
        server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        panic!("the server ended at once, having printed {:?} and logged {log}", server.printed);
    }

    fn line(&self, beginning: &str) -> Option<&str> {
        self.printed.iter().find_map(|line| line.strip_prefix(beginning)).map(str::trim)
    }

    fn address(&self) -> String {
        let url = self.printed.iter().find_map(|line| line.split_once("http://")).unwrap().1;
        url.trim_end_matches('/').to_owned()
    }

    /// SIGTERM must end it with status 0; returns its log.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => panic!("still running after SIGTERM"),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0"];

#[test]
fn the_first_start_prints_a_password_once() {
    let folder = tempfile::tempdir().unwrap();
    let beginning = "The first start: the password of root is ";
    // Without a command it serves; an empty variable is an unset one, so the password is generated.
    let first =
        Server::start(cheeseshop(folder.path(), &SERVE[1..]).env("CHEESESHOP_ROOT_PASSWORD", "").env("CHEESESHOP_UPSTREAM", ""));
    let password = first.line(beginning).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    assert!(password.len() >= 32, "{password}");
    assert_eq!(first.line("  data"), folder.path().join("data").to_str());
    assert_eq!(first.line("  upstream"), Some("none; name one with --upstream https://…"));
    assert_eq!(first.line("  /simple/"), Some("root/main"));
    assert!(!first.stop().contains(&password), "a password in the log");
    let second = Server::start(&mut cheeseshop(folder.path(), SERVE));
    assert_eq!(second.line(beginning), None);
    second.stop();
}

#[test]
fn a_named_upstream_is_kept_and_its_password_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let named = [SERVE, &["--upstream", "https://me:sesame@index.example/simple"]].concat();
    let first = Server::start(&mut cheeseshop(folder.path(), &named));
    assert_eq!(first.line("  upstream"), Some("https://index.example/simple/ (from --upstream)"));
    assert!(!first.stop().contains("sesame"));
    let second = Server::start(&mut cheeseshop(folder.path(), SERVE));
    assert_eq!(second.line("  upstream"), Some("https://index.example/simple/"));
    second.stop();
    let shown = ok(folder.path(), &["index", "show", "root/pypi", "--json"]);
    assert!(shown.contains("https://index.example/simple/") && !shown.contains("sesame"), "{shown}");
}

#[test]
fn gc_and_doctor_tell_what_they_do_and_end_with_a_status() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for command in ["gc", "doctor"] {
        assert!(fails(folder, &[command]).1.contains("there is no data folder"), "{command}");
        assert_eq!(fails(folder, &[command, "--what"]).0, 2);
    }
    Server::start(&mut cheeseshop(folder, SERVE)).stop();
    for wrong in [["--grace", "forever"], ["--keep-journal", "1y"], ["--mirror-cache", "many"]] {
        assert_eq!(fails(folder, &["gc", wrong[0], wrong[1]]).0, 2, "{wrong:?}");
    }
    let bytes = b"left by a crash";
    let sha256 = "86b5a1d7aa8d1c4d3f8b8d5a8d7c3a3b6f3f2b1a0d9c8e7f6a5b4c3d2e1f0a9b";
    let blob = folder.join("data/blobs").join(&sha256[..2]).join(&sha256[2..4]).join(sha256);
    std::fs::create_dir_all(blob.parent().unwrap()).unwrap();
    std::fs::write(&blob, bytes).unwrap();
    let file = std::fs::File::options().write(true).open(&blob).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    let output = run(folder, &["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains(&format!("problem: stray: {sha256}: ")), "{}", text(&output.stdout));
    assert!(text(&output.stderr).ends_with("cheeseshop: 1 problems are left\n"), "{}", text(&output.stderr));
    let told = ok(folder, &["gc", "--dry-run", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["dry_run"], &told["report"]["strays"]), (&true.into(), &serde_json::json!({"count": 1, "bytes": 15})));
    assert!(ok(folder, &["gc", "--grace", "0"]).starts_with("done:\n"));
    assert!(!blob.exists());
    let last = ok(folder, &["doctor", "--deep", "--json"]);
    let last: serde_json::Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!((&last["summary"]["problems"], &last["summary"]["blobs"]), (&0.into(), &0.into()));
}

#[test]
fn what_cannot_be_meant_ends_with_status_2_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bootstrap = folder.path().join("bootstrap.toml");
    std::fs::write(&bootstrap, "[users.alice]\nemail = \"a@example.org\"\npasword = \"sesame\"\n").unwrap();
    for (args, reason) in [
        (&["serve", "--listen", "nowhere"][..], "IP address and a port"),
        (&["serve", "--no-such-flag"], "--no-such-flag"),
        (&["--listen", "0.0.0.0:0", "--root-password", ""], "loopback"),
        (&["serve", "--upstream", "ftp://index.example/"], "https://"),
        (&["serve", "--bootstrap", bootstrap.to_str().unwrap()], "line 3: unknown field `pasword`"),
        (&["serve", "--bootstrap", "/no/such/file.toml"], "cannot be read"),
        (&["token", "add", "root", "--name", "x", "--allow", "everything"], "read, upload, manage"),
        (&["no-such-command"], "no-such-command"),
    ] {
        let (status, message) = fails(folder.path(), args);
        assert_eq!(status, 2, "{args:?}: {message}");
        assert!(message.contains(reason) && !message.contains("sesame"), "{args:?}: {message}");
    }
    assert!(!folder.path().join("data").exists());
}

#[test]
fn only_serve_makes_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["user", "list"][..], &["index", "list"], &["token", "list", "root"]] {
        let (status, message) = fails(folder.path(), args);
        assert_eq!(status, 1, "{args:?}");
        assert!(message.starts_with("cheeseshop: there is no data folder ") && message.lines().count() == 1, "{message}");
    }
    assert!(!folder.path().join("data").exists());
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let (status, message) = fails(folder.path(), &["user", "list"]);
    assert!(status == 1 && message.contains("there is no database"), "{message}");
    assert_eq!(std::fs::read_dir(folder.path().join("data")).unwrap().count(), 0);
}

/// What the environment of a server's process says to the C library's allocator.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn heap_variables(server: &Server) -> Vec<String> {
    let environment = std::fs::read(format!("/proc/{}/environ", server.child.id())).unwrap();
    let variables = environment.split(|byte| *byte == 0).map(|variable| String::from_utf8_lossy(variable).into_owned());
    let mut found: Vec<String> = variables.filter(|variable| variable.starts_with("MALLOC_")).collect();
    found.sort();
    found
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_server_has_freed_memory_given_back_unless_it_is_told_otherwise() {
    let ours = vec![
        format!("MALLOC_ARENA_MAX={}", std::thread::available_parallelism().unwrap()),
        "MALLOC_MMAP_THRESHOLD_=131072".to_owned(),
    ];
    for (told, wanted) in [(None, ours), (Some(("MALLOC_ARENA_MAX", "7")), vec!["MALLOC_ARENA_MAX=7".to_owned()])] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = cheeseshop(folder.path(), &["--listen", "127.0.0.1:0", "--upstream", "none"]);
        let server = Server::start(command.envs(told));
        assert_eq!(heap_variables(&server), wanted);
        let name = std::fs::read_to_string(format!("/proc/{}/comm", server.child.id())).unwrap();
        assert_eq!(name.trim(), "cheeseshop", "who looks for the process finds it");
        server.stop();
    }
}

#[test]
fn a_taken_port_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, message) = fails(folder.path(), &["serve", "--listen", &address]);
    assert_eq!(status, 1);
    assert!(message.contains(&format!("another program listens on {address} already")), "{message}");
    assert!(!folder.path().join("data").exists());
    let (status, message) = fails(folder.path(), &["healthcheck", "--listen", "127.0.0.1:1"]);
    assert!(status == 1 && message.contains("does not answer"), "{message}");
}

#[test]
fn users_indexes_and_tokens_are_administered_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let server = Server::start(&mut cheeseshop(path, SERVE));
    let password = path.join("password");
    std::fs::write(&password, "sesame open\n").unwrap();
    let password = password.to_str().unwrap();
    ok(path, &["healthcheck", "--listen", &server.address()]);

    ok(path, &["user", "add", "alice", "--password-file", password, "--email", "alice@example.org"]);
    assert!(fails(path, &["user", "add", "alice", "--password-file", password]).1.contains("already exists"));
    assert!(fails(path, &["user", "add", "bob"]).1.contains("no terminal"));
    ok(path, &["user", "set", "alice", "--title", "Alice"]);
    ok(path, &["user", "passwd", "alice", "--password-file", password]);
    assert!(ok(path, &["user", "list"]).contains("alice  alice@example.org  Alice"));
    assert!(!ok(path, &["user", "show", "alice", "--json"]).contains("argon2"));

    ok(path, &["index", "add", "alice/dev", "bases=root/main", "acl_read=alice"]);
    ok(path, &["index", "set", "alice/dev", "acl_upload+=root", "title=Our own"]);
    assert!(ok(path, &["index", "list", "alice"]).contains("alice/dev  stage  Our own"));
    assert!(ok(path, &["index", "show", "alice/dev"]).contains("acl_upload                    alice,root"));
    assert!(fails(path, &["index", "set", "alice/dev", "colour=red"]).1.contains("colour=red"));
    assert!(fails(path, &["index", "release-name", "alice/dev", "nothing"]).1.contains("nothing"));
    assert!(fails(path, &["index", "remove", "root/main"]).1.contains("non-volatile"));

    let add = ["token", "add", "alice", "--name", "ci", "--allow", "read,upload", "--index", "alice/dev", "--expires", "90d"];
    let printed = ok(path, &add);
    let token = printed.lines().last().unwrap();
    assert!(token.starts_with("cheeseshop_") && token.len() > 40, "{printed}");
    let listed = ok(path, &["token", "list", "alice"]);
    assert!(listed.contains("allow read,upload; indexes alice/dev") && !listed.contains(token), "{listed}");
    assert!(
        fails(path, &["token", "add", "alice", "--name", "x", "--allow", "read", "--index", "alice/nowhere"])
            .1
            .contains("alice/nowhere")
    );
    assert!(
        fails(path, &["token", "add", "alice", "--name", "x", "--allow", "read", "--expires", "2020-01-01"]).1.contains("past")
    );
    ok(path, &["token", "remove", "alice", "ci"]);
    assert_eq!(ok(path, &["token", "list", "alice"]), "");

    ok(path, &["index", "remove", "alice/dev"]);
    ok(path, &["user", "remove", "alice"]);
    assert!(!ok(path, &["user", "list"]).contains("alice"));
    // The server notices within two seconds.
    std::thread::sleep(Duration::from_millis(2500));
    let log = server.stop();
    for change in ["user-add", "user-password", "index-set", "token-add", "token-remove", "index-remove", "user-remove"] {
        assert!(log.contains(&format!("change action=\"{change}\"")), "{change}: {log}");
    }
    assert!(!log.contains(token) && !log.contains("sesame"), "{log}");
}

#[test]
fn an_open_root_stays_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(cheeseshop(folder.path(), SERVE).args(["--root-password", ""]));
    assert_eq!(first.line("The first start"), None, "nothing was generated");
    first.stop();
    let (status, message) = fails(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);
    assert!(status == 1 && message.contains("root has an empty password"), "{message}");
}

/// A dump with one file, as devpi 6 writes it.
fn devpi_export(folder: &Path) {
    let files = folder.join("export/alice/dev/app/1.0");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("app-1.0.zip"), b"abc").unwrap();
    let index = r#"{"dumpversion": "2", "users": {"root": {"username": "root"}, "alice": {"username": "alice"}}, "indexes": {"alice/dev":
        {"indexconfig": {"type": "stage", "volatile": true}, "projects": {"app": {"1.0": {"name": "app", "version": "1.0"}}}, "files": [
        {"type": "releasefile", "projectname": "app", "version": "1.0", "relpath": "alice/dev/app/1.0/app-1.0.zip", "entrymapping":
        {"hashes": {"md5": "900150983cd24fb0d6963f7d28e17f72"}, "last_modified": "Wed, 01 Apr 2020 10:00:00 GMT"}}]}}}"#;
    std::fs::write(folder.join("export/dataindex.json"), index).unwrap();
}

#[test]
fn a_devpi_export_moves_in_and_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    devpi_export(folder);
    let (export, out, report) = (folder.join("export"), folder.join("out"), folder.join("report.json"));
    let (export, out, report) = (export.to_str().unwrap(), out.to_str().unwrap(), report.to_str().unwrap());
    assert!(ok(folder, &["import", "devpi", export, "--dry-run"]).starts_with("would be imported: 2 users, 1 indexes"));
    let broken = folder.join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("dataindex.json"), "{").unwrap();
    let (status, told) = fails(folder, &["import", "devpi", broken.to_str().unwrap()]);
    assert!(status == 1 && told.contains("is broken"), "{told}");
    assert!(!folder.join("data").exists(), "neither makes anything");
    let told = ok(folder, &["import", "devpi", export, "--report", report]);
    assert!(told.starts_with("imported: 2 users, 1 indexes, 1 projects, 1 releases, 1 files, 3 bytes"), "{told}");
    assert!(told.contains("cheeseshop user passwd root") && std::fs::read_to_string(report).unwrap().contains("\"files\": 1"));
    let server = Server::start(&mut cheeseshop(folder, &["serve", "--listen", "127.0.0.1:0", "--upstream", "none"]));
    assert_eq!(server.line("  /simple/"), Some("no default index"), "{:?}", server.printed);
    drop(server);
    assert!(ok(folder, &["export", out, "--format", "devpi"]).starts_with("exported: 2 users"));
    assert_eq!(std::fs::read(folder.join("out/alice/dev/app/1.0/app-1.0.zip")).unwrap(), b"abc");
    let other = folder.join("other");
    std::fs::remove_file(folder.join("out/alice/dev/app/1.0/app-1.0.zip")).unwrap();
    let output = run(folder, &["import", "devpi", out, "--data-dir", other.to_str().unwrap()]);
    let (told, why) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.code() == Some(1) && told.contains("app-1.0.zip: it is missing") && why.contains("(1)"), "{told}{why}");
}

/// A pip that says what its default is, in a folder of its own to be put on the PATH.
fn pip_in(folder: &Path, address: &str) -> std::path::PathBuf {
    let programs = folder.join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    let script = format!("#!/bin/sh\ncase $1 in install) echo '-i, --index-url <url> Base URL (default {address}).';; esac\n");
    std::fs::write(programs.join("pip"), script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(programs.join("pip"), executable).unwrap();
    programs
}

/// What the Docker image's build does: it asks its own pip, and keeps the answer for a server that has no pip.
#[test]
fn an_image_mirrors_what_the_pip_of_its_build_installs_from() {
    let folder = tempfile::tempdir().unwrap();
    let (_, text_of) = fails(folder.path(), &["upstream"]);
    assert!(text_of.contains("no index was found"), "{text_of}");
    let programs = pip_in(folder.path(), "https://index.example/simple");
    let asked = cheeseshop(folder.path(), &["upstream"]).env("PATH", &programs).output().unwrap();
    assert_eq!(text(&asked.stdout), "https://index.example/simple/\n");
    let named = "https://me:sesame@named.example/simple";
    let asked = cheeseshop(folder.path(), &["upstream"]).env("PATH", &programs).env("PIP_INDEX_URL", named).output().unwrap();
    assert_eq!(text(&asked.stdout), "https://named.example/simple/\n", "credentials are not for keeping");
    let config = folder.path().join("pip.conf");
    std::fs::write(&config, "[global]\nindex-url = https://index.example/simple/\n").unwrap();
    let server = Server::start(cheeseshop(folder.path(), SERVE).env("PIP_CONFIG_FILE", &config));
    assert_eq!(server.line("  upstream"), Some("https://index.example/simple/ (from PIP_CONFIG_FILE)"));
    server.stop();
}

/// A backup beside a running server, restored; an export, moved into another data folder.
#[test]
fn a_server_starts_on_a_copy_of_its_backup_and_on_its_export() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let server = Server::start(&mut cheeseshop(folder.path(), SERVE));
    ok(folder.path(), &["index", "add", "root/more", "bases=root/main"]);
    let said = ok(folder.path(), &["backup", &place("backup")]);
    assert!(said.starts_with("backed up: "), "{said}");
    let said = ok(folder.path(), &["export", "--format", "cheeseshop", &place("export")]);
    assert!(said.starts_with("exported: 1 users, 3 indexes"), "{said}");
    server.stop();
    // Killed with all rows written and none committed: the next run finds an empty database, and the files there already.
    let import = ["import", "cheeseshop", &place("export"), "--data-dir", &place("moved")];
    let killed = cheeseshop(folder.path(), &import).env("CHEESESHOP_FAULT", "import-written:kill").status().unwrap();
    assert_eq!(killed.code(), None, "a signal ended it");
    ok(folder.path(), &import);
    let (status, text) = fails(folder.path(), &["import", "cheeseshop", &place("export"), "--data-dir", &place("moved")]);
    assert!(status == 1 && text.contains("is not empty"), "{text}");
    for data in ["moved", "backup"] {
        let server = Server::start(&mut cheeseshop(folder.path(), &[SERVE, &["--data-dir", &place(data)]].concat()));
        assert!(server.line("The first start").is_none(), "{data} is no first start");
        server.stop();
        assert!(ok(folder.path(), &["index", "list", "--data-dir", &place(data)]).contains("root/more"));
    }
    let (status, text) = fails(folder.path(), &["backup", &place("backup")]);
    assert!(status == 1 && text.contains("a server has run on"), "{text}");
    let (status, text) = fails(folder.path(), &["import", "cheeseshop", &place("nothing"), "--data-dir", &place("new")]);
    assert!(status == 1 && text.contains("was not finished") && !folder.path().join("new").exists(), "{text}");
    let (status, text) = fails(folder.path(), &["export", "--format", "devpi", "--no-blobs", &place("x")]);
    assert!(status == 2 && text.contains("--no-blobs"), "{text}");
}

#[test]
fn a_bucket_that_cannot_be_used_ends_the_start_with_its_name_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    // A port that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let args = [SERVE, &["--blobs", "s3://shop/pre", "--root-password", "x"]].concat();
    let endpoint = format!("http://127.0.0.1:{port}");
    let with = |variables: &[(&str, &str)]| {
        let mut command = cheeseshop(folder.path(), &args);
        command.env("HOME", folder.path()).env("AWS_ENDPOINT_URL", &endpoint).env("AWS_ACCESS_KEY_ID", "AKTEST");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""));
        let said = text(&output.stderr);
        assert!(!said.contains("sesame") && said.contains("s3://shop/pre"), "{said}");
        said
    };
    let said = with(&[("AWS_SECRET_ACCESS_KEY", "sesame")]);
    assert!(said.contains("the store does not answer") && said.contains("Connection refused"), "{said}");
    assert!(with(&[("AWS_PROFILE", "none")]).contains("\"none\""));
    assert!(with(&[("AWS_SECRET_ACCESS_KEY", "sesame"), ("CHEESESHOP_BLOBS_CA", "/no/such/ca.pem")]).contains("/no/such/ca.pem"));
}

/// A program whose standard error is a terminal.
struct OnTerminal {
    child: Child,
    /// What the terminal was sent so far.
    sent: Arc<Mutex<String>>,
    reader: std::thread::JoinHandle<()>,
}

impl OnTerminal {
    fn start(mut command: Command) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = text(ptsname(&terminal, Vec::new()).unwrap().as_bytes());
        let other_end = File::options().read(true).write(true).open(name).unwrap();
        let child = command.env("TERM", "xterm").stdout(Stdio::piped()).stderr(other_end).spawn().unwrap();
        // Its own copy of the other end: once the child has ended nobody has one, and reading ends.
        drop(command);
        let sent = Arc::new(Mutex::new(String::new()));
        let seen = sent.clone();
        let reader = std::thread::spawn(move || {
            let (mut terminal, mut piece) = (File::from(terminal), [0; 4096]);
            while let Ok(length @ 1..) = terminal.read(&mut piece) {
                seen.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        Self { child, sent, reader }
    }

    /// How it ended, what it printed, and what the terminal was sent.
    fn end(self) -> (ExitStatus, String, String) {
        let output = self.child.wait_with_output().unwrap();
        self.reader.join().unwrap();
        let sent = self.sent.lock().unwrap().clone();
        (output.status, text(&output.stdout), sent)
    }
}

/// What stays on the line that was written last, after the last return to its beginning.
fn left_over(sent: &str) -> &str {
    sent.rsplit(['\r', '\n']).next().unwrap().trim_start_matches("\x1b[2K").trim_start_matches("\x1b[K")
}

#[test]
fn bars_are_drawn_on_a_terminal_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    Server::start(&mut cheeseshop(folder.path(), SERVE)).stop();
    let backup = folder.path().join("backup").to_str().unwrap().to_owned();
    let export = folder.path().join("export").to_str().unwrap().to_owned();
    for (args, told) in [
        (vec!["gc"], "%"),
        (vec!["doctor"], "blobs"),
        (vec!["backup", &backup], "the database"),
        (vec!["export", "--format", "cheeseshop", &export], "rows of"),
    ] {
        let (status, printed, sent) = OnTerminal::start(cheeseshop(folder.path(), &args)).end();
        assert!(status.success() && sent.contains(told) && left_over(&sent).is_empty(), "{args:?}: {sent:?}");
        assert!(!printed.is_empty() && !printed.contains(['\r', '\x1b']), "{args:?}: {printed:?}");
        if args[0] == "export" {
            std::fs::remove_dir_all(&export).unwrap();
        }
        let piped = run(folder.path(), &args);
        assert!(piped.status.success() && !text(&piped.stderr).contains(['\r', '\x1b']), "{args:?}: {:?}", text(&piped.stderr));
    }
}

/// It is stopped half way, so that the signal waits for it when it goes on.
#[test]
fn an_interrupted_command_leaves_a_clean_line() {
    let folder = tempfile::tempdir().unwrap();
    Server::start(&mut cheeseshop(folder.path(), SERVE)).stop();
    let mut command = cheeseshop(folder.path(), &["gc"]);
    command.env("CHEESESHOP_FAULT", "gc-pruned:stop");
    let interrupted = OnTerminal::start(command);
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", interrupted.child.id())).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !state().contains(") T ") {
        assert!(Instant::now() < deadline, "{}", state());
        std::thread::sleep(Duration::from_millis(10));
    }
    for signal in ["INT", "CONT"] {
        assert!(Command::new("kill").args(["-s", signal, &interrupted.child.id().to_string()]).status().unwrap().success());
    }
    let (status, _, sent) = interrupted.end();
    assert_eq!((status.code(), left_over(&sent)), (Some(130), ""), "{sent:?}");
}
