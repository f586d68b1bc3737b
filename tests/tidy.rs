//! The house rules that a machine can check: who may import whom, what must not stand where, and that every file says what it
//! is for. A rule that nothing checks is not a rule.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers and what each may import of the others; see `ARCHITECTURE.md`. `app`, `cli` and `main` put things together and
/// may import everything.
const LAYERS: &[(&str, &[&str])] = &[
    ("pypi", &["limits"]),
    ("render", &["pypi", "limits"]),
    ("db", &["pypi", "names", "clock", "limits"]),
    ("blobs", &["pypi", "limits", "fault", "metrics"]),
    ("upstream", &["pypi", "limits"]),
    (
        "index",
        &["db", "blobs", "upstream", "pypi", "names", "clock", "limits", "error", "fault", "urls", "secret", "log", "metrics"],
    ),
    ("jobs", &["index", "db", "blobs", "pypi", "clock", "limits", "error", "fault"]),
    ("doctor", &["index", "db", "blobs", "pypi", "names", "clock", "limits", "error"]),
    ("moving", &["index", "db", "blobs", "upstream", "pypi", "render", "names", "clock", "limits", "error", "fault"]),
    (
        "http",
        &["index", "db", "blobs", "pypi", "render", "names", "clock", "limits", "error", "urls", "upstream", "log", "metrics"],
    ),
    ("names", &[]),
    ("clock", &["pypi"]),
    ("urls", &["limits", "names"]),
    ("error", &[]),
    ("fault", &[]),
    ("secret", &[]),
    ("limits", &[]),
    ("log", &["limits"]),
    ("metrics", &[]),
];

struct Source {
    path: String,
    /// The text up to the file's test module.
    code: String,
    whole: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

/// Every source file, without its tests. Files that hold nothing but tests are left out.
fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    files_below(&root().join("src"), ".rs", &mut paths);
    let only_tests = |path: &str| path.ends_with("tests.rs") || path.contains("/tests/") || path.ends_with("/testing.rs");
    let sources: Vec<Source> = paths
        .into_iter()
        .map(|path| {
            let whole = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            let code = without_tests(&whole).to_owned();
            Source { path, code, whole }
        })
        .filter(|source| !only_tests(&source.path))
        .collect();
    assert!(sources.len() > 60, "the sources are found");
    sources
}

/// The text up to the module that `#[cfg(test)]`, or a condition with `test` in it, stands over.
fn without_tests(text: &str) -> &str {
    let marks = text.match_indices("#[cfg(").filter(|(at, _)| {
        let mut lines = text[*at..].lines().map(str::trim_start);
        let (condition, item) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        condition.contains("test")
            && [item, lines.next().unwrap_or_default()].iter().any(|line| line.starts_with("mod ") || line.contains(") mod "))
    });
    marks.map(|(at, _)| &text[..at]).next().unwrap_or(text)
}

/// Code lines with their numbers; comments are no code.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn layers_import_downwards_only() {
    for source in sources() {
        let layer = source.path.trim_start_matches("src/").split(['/', '.']).next().unwrap();
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else { continue };
        for (number, line) in code_lines(&source.code) {
            for imported in
                line.split("crate::").skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
            {
                // Macros of the database layer live at the crate's root.
                let known =
                    imported == layer || allowed.contains(&imported) || ["on", "sql"].contains(&imported) || imported.is_empty();
                assert!(known, "{}:{number}: {layer} must not import {imported}\n{line}", source.path);
            }
        }
    }
}

#[test]
fn every_layer_of_the_table_exists() {
    let names: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    for name in names {
        let file = root().join("src").join(format!("{name}.rs"));
        assert!(file.exists() || root().join("src").join(name).is_dir(), "{name}");
    }
}

/// Words that must not stand in code, and the files that may have them.
const WORDS: &[(&str, &[&str])] = &[
    (".unwrap()", &[]),
    (".expect(", &[]),
    ("panic!(", &[]),
    ("todo!(", &[]),
    ("unimplemented!(", &[]),
    ("dbg!(", &[]),
    ("println!(", &["build.rs"]),
    ("print!(", &[]),
    ("SystemTime::now(", &["src/clock.rs"]),
    // The age of a connection or a request is no time of day, and nothing stores it.
    (
        "Instant::now(",
        &[
            "src/http/socket.rs",
            "src/http/head_timer.rs",
            "src/http/serve.rs",
            "src/http/request_body.rs",
            "src/http/serve/http2.rs",
        ],
    ),
    // The name of an option of a library.
    ("unsafe ", &["src/render/markdown.rs"]),
    (
        "to_lowercase(",
        &["src/index/settings.rs", "src/index/search/query.rs", "src/config/units.rs", "src/http/devpi/indexes.rs"],
    ),
];

#[test]
fn words_stand_only_where_they_may() {
    for source in sources() {
        for (number, line) in code_lines(&source.code) {
            for (word, allowed) in WORDS {
                let found = line.contains(word) && !allowed.contains(&source.path.as_str());
                assert!(!found, "{}:{number}: {word}\n{line}", source.path);
            }
        }
    }
}

#[test]
fn sql_stands_in_the_database_layer_only() {
    for source in sources().iter().filter(|source| !source.path.starts_with("src/db/")) {
        for (number, line) in code_lines(&source.code) {
            for word in ["SELECT ", "INSERT INTO", "DELETE FROM", "sqlx::query"] {
                assert!(!line.contains(word), "{}:{number}: SQL outside src/db\n{line}", source.path);
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for source in sources() {
        let head = source.whole.lines().next().unwrap_or_default();
        assert!(head.starts_with("//! ") && head.len() > 20, "{} has no head", source.path);
        assert!(!source.whole.contains("(to be written)"), "{}", source.path);
    }
}

/// Marks of unfinished work. Put together here, so that this file does not contain them.
#[test]
fn nothing_is_left_for_later() {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat(), ["#[ig", "nore"].concat()];
    let mut paths = Vec::new();
    for (folder, ending) in [("src", ".rs"), ("tests", ".rs"), ("tests", ".py"), ("docs", ".md"), ("benches", ".py")] {
        files_below(&root().join(folder), ending, &mut paths);
    }
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{mark} in {}", path.display());
        }
    }
}

/// No address of a public registry stands anywhere; examples use names that are reserved for them.
#[test]
fn addresses_are_examples() {
    // The last one begins the name of SVG, which its specification fixes.
    let allowed = ["127.0.0.1", "localhost", "index.example", "example.com", "example.org", "www.w3.org"];
    let example = |host: &str| {
        allowed.contains(&host)
            || [".example", ".localhost"].iter().any(|end| host.ends_with(end))
            || host.contains(['{', '$', '<', '\\', '*', '"'])
            || !host.contains('.')
    };
    let single = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "Cargo.toml", "Dockerfile", "docker-compose.yml"];
    let mut paths: Vec<PathBuf> = single.iter().map(|name| root().join(name)).collect();
    for (folder, ending) in
        [("src", ".rs"), ("tests", ".rs"), ("tests", ".py"), ("docs", ".md"), ("benches", ".py"), ("deploy", "")]
    {
        files_below(&root().join(folder), ending, &mut paths);
    }
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for rest in text.split("://").skip(1) {
            let host = rest.split(['/', '\'', '`', ' ', ')', '>', '\n', ',', '?', '#']).next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            let bare = host.split(':').next().unwrap_or_default().trim_end_matches(['.', '"', ';']);
            let literal = bare.chars().all(|c| c.is_ascii_digit() || c == '.') || bare.starts_with(['[', '0']);
            assert!(literal || example(bare), "{host} in {}", path.display());
        }
    }
}
