//! `docs/configuration.md` is complete and current. Its tables are made from the program; `UPDATE_DOCS=1 cargo test --test docs`
//! writes them anew.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly, in its helpers too")]

use cheeseshop::cli;
use cheeseshop::index::settings::OPTIONS;
use std::fmt::Write;
use std::path::PathBuf;

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Replaces what stands between the markers of `name`.
fn with_table(text: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- table: {name} -->\n"), format!("<!-- end: {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("docs/configuration.md has no '{}'", begin.trim()));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("docs/configuration.md has no '{end}'"));
    format!("{before}{begin}\n{table}\n{end}{after}")
}

/// Text for one cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn settings() -> String {
    let command = cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    let mut table = "| Flag and variable | Default | Meaning |\n|---|---|---|\n".to_owned();
    for arg in serve.get_arguments().filter(|arg| arg.get_id() != "help") {
        let long = arg.get_long().unwrap();
        let variable = arg.get_env().unwrap_or_else(|| panic!("--{long} has no variable")).to_str().unwrap();
        assert_eq!(variable, format!("CHEESESHOP_{}", long.to_uppercase().replace('-', "_")));
        let value = arg.get_action().takes_values().then(|| arg.get_value_names().unwrap().join(" "));
        let flag = value.map_or_else(|| format!("--{long}"), |value| format!("--{long} {value}"));
        let help = arg.get_help().unwrap().to_string();
        let (help, written) =
            help.split_once(" [default: ").map_or((help.as_str(), None), |(help, rest)| (help, rest.split_once(']')));
        let help = arg.get_long_help().map_or(help.to_owned(), |long| long.to_string().replace('\n', " "));
        let help = help.split(" [default: ").next().unwrap();
        let defaults: Vec<&str> = arg.get_default_values().iter().map(|value| value.to_str().unwrap()).collect();
        let default = match (written, defaults.as_slice()) {
            (Some((written, _)), _) if written.contains('<') => format!("`{written}`"),
            (Some((written, _)), _) => written.to_owned(),
            (None, []) | (None, ["false"]) => String::new(),
            (None, values) => format!("`{}`", values.join(",")),
        };
        writeln!(table, "| `{flag}`<br>`{variable}` | {} | {}. |", cell(&default), cell(help.trim_end_matches('.'))).unwrap();
    }
    table
}

fn options() -> String {
    let mut table = "| Option | Meaning |\n|---|---|\n".to_owned();
    for option in OPTIONS {
        writeln!(table, "| `{}` | {} |", option.name, cell(option.help)).unwrap();
    }
    table
}

/// Every constant of `limits.rs` with its value and its comment.
fn limits() -> String {
    let source = std::fs::read_to_string(file("src/limits.rs")).unwrap();
    let mut table = "| Limit | Value | Meaning |\n|---|---|---|\n".to_owned();
    let mut comment = String::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            comment.push_str(text);
        } else if let Some(rest) = line.strip_prefix("pub const ") {
            let (name, rest) = rest.split_once(": ").unwrap();
            let (_, value) = rest.trim_end_matches(';').split_once(" = ").unwrap();
            writeln!(table, "| `{name}` | {} | {} |", shown(name, value), cell(&comment)).unwrap();
            comment.clear();
        } else {
            comment.clear();
        }
    }
    table
}

/// A constant's value for people, from its source.
fn shown(name: &str, source: &str) -> String {
    if let Some(rest) = source.strip_prefix("Duration::from_") {
        let (unit, number) = rest.split_once('(').unwrap();
        let number = number_of(number.trim_end_matches(')'));
        return format!("{number} {}", if unit == "millis" { "ms" } else { "s" });
    }
    let number = number_of(source);
    match name.contains("BYTES") {
        true => cheeseshop::config::units::show_size(number),
        false => number.to_string(),
    }
}

/// The value of a product such as `4 * MIB as u64`, or of a shift such as `4 << 30`.
fn number_of(source: &str) -> u64 {
    let plain = |text: &str| match text.trim().trim_end_matches(" as u64").trim_end_matches(" as usize") {
        "MIB" => 1 << 20,
        digits => digits.replace('_', "").parse().unwrap_or_else(|_| panic!("'{source}' is not understood")),
    };
    match source.split_once(" << ") {
        Some((number, shift)) => plain(number) << plain(shift),
        None => source.split('*').map(plain).product(),
    }
}

#[test]
fn the_page_of_settings_is_current() {
    let path = file("docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut wanted = text.clone();
    for (name, table) in [("settings", settings()), ("options", options()), ("limits", limits())] {
        assert!(table.lines().count() > 10, "{name}: {table}");
        wanted = with_table(&wanted, name, &table);
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let current = text == wanted || std::env::var_os("UPDATE_DOCS").is_some();
    assert!(current, "docs/configuration.md is not current; write it with: UPDATE_DOCS=1 cargo test --test docs");
}

#[test]
fn values_are_read_rightly() {
    for (name, source, value) in [
        ("A_BYTES_MAX", "256 * 1024", "256KiB"),
        ("A_BYTES_MAX", "4 * MIB as u64", "4MiB"),
        ("A_BYTES_MAX", "4 << 30", "4GiB"),
        ("A_MAX", "200_000", "200000"),
        ("A_WAIT", "Duration::from_secs(10 * 3600)", "36000 s"),
        ("A_WAIT", "Duration::from_millis(500)", "500 ms"),
    ] {
        assert_eq!(shown(name, source), value);
    }
}
