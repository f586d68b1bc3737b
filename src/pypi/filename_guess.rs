//! What any file name on another index's page lets one guess: eggs, installers and old spellings included.
//!
//! Nothing here refuses a file and nothing here is proof: names that are published here are parsed by [`super::DistFilename`].

use super::{DistFilename, ProjectName, Version};
use crate::limits::FILENAME_GUESSES_MAX;

/// Extensions of distributions, the longer ones of a common end first, with PyPI's word for the kind and a content type.
const EXTENSIONS: &[(&str, &str, &str)] = &[
    (".whl", "bdist_wheel", BYTES),
    (".tar.gz", "sdist", "application/gzip"),
    (".tgz", "sdist", "application/gzip"),
    (".zip", "sdist", "application/zip"),
    (".tar.bz2", "sdist", BYTES),
    (".tbz2", "sdist", BYTES),
    (".tbz", "sdist", BYTES),
    (".tar.xz", "sdist", BYTES),
    (".txz", "sdist", BYTES),
    (".tar.lzma", "sdist", BYTES),
    (".tar.zst", "sdist", BYTES),
    (".tar.z", "sdist", BYTES),
    (".tar", "sdist", BYTES),
    (".egg", "bdist_egg", BYTES),
    (".exe", "bdist_wininst", BYTES),
    (".msi", "bdist_msi", BYTES),
    (".rpm", "bdist_rpm", BYTES),
    (".dmg", "bdist_dmg", BYTES),
    (".deb", "bdist_dumb", BYTES),
];

/// The type that no browser runs or renders.
const BYTES: &str = "application/octet-stream";

/// Where the platform of a built archive without a format of its own begins, as in `foo-1.0.linux-x86_64.tar.gz`.
const PLATFORMS: &[&str] = &[".linux-", ".macosx-", ".win32", ".win-amd64", ".win-arm64", ".cygwin-", ".freebsd-"];

/// The name without the extension of a distribution; the whole name if it has none.
pub fn archive_stem(filename: &str) -> &str {
    extension(filename).map_or(filename, |(end, ..)| &filename[..filename.len() - end.len()])
}

/// Whether the name ends as distributions do.
pub fn is_archive(filename: &str) -> bool {
    extension(filename).is_some()
}

/// Whether the name ends as wheels do.
pub fn is_wheel(filename: &str) -> bool {
    packagetype(filename) == "bdist_wheel"
}

/// PyPI's word for the kind of distribution: `bdist_wheel`, `sdist`, `bdist_egg`, `bdist_wininst`, and so on.
pub fn packagetype(filename: &str) -> &'static str {
    match extension(filename) {
        Some((_, "sdist", _)) if platform_start(archive_stem(filename)).is_some() => "bdist_dumb",
        Some((_, kind, _)) => kind,
        None => "sdist",
    }
}

/// A content type under which no browser runs or renders what it is sent.
pub fn content_type(filename: &str) -> &'static str {
    extension(filename).map_or(BYTES, |(_, _, content_type)| content_type)
}

/// What PyPI's JSON calls `python_version`: a wheel's interpreter tag, `source`, `2.7` for an egg or installer, else `any`.
pub fn python_version(filename: &str) -> &str {
    let stem = archive_stem(filename);
    match packagetype(filename) {
        "sdist" => "source",
        "bdist_wheel" => stem.rsplit('-').nth(2).unwrap_or("any"),
        _ => stem.split('-').filter_map(|part| part.strip_prefix("py")).find(|v| starts_with_digit(v)).unwrap_or("any"),
    }
}

/// Projects that a file of this name may belong to, the most probable first, at most [`FILENAME_GUESSES_MAX`].
///
/// For links to files of pages that nobody has visited yet.
pub fn guess_projects(filename: &str) -> Vec<ProjectName> {
    let stem = archive_stem(filename);
    let sure = DistFilename::parse(filename).ok().map(|parsed| parsed.project);
    let before = |at: usize| &stem[..at];
    let dashes: Vec<usize> = stem.match_indices('-').map(|(at, _)| at).collect();
    let before_digit = dashes.iter().copied().filter(|at| starts_with_digit(&stem[at + 1..]));
    // In wheels and eggs the name has no dash; elsewhere the last number is more often the version than the first.
    let (first, others): (Vec<usize>, Vec<usize>) = match packagetype(filename) {
        "bdist_wheel" | "bdist_egg" => (dashes.iter().copied().take(1).collect(), before_digit.collect()),
        "bdist_rpm" => (before_digit.collect(), dashes.clone()),
        _ => (before_digit.rev().collect(), dashes.clone()),
    };
    let mut guesses: Vec<ProjectName> = Vec::new();
    for guess in sure.into_iter().chain(first.into_iter().chain(others).filter_map(|at| ProjectName::parse(before(at)).ok())) {
        if guesses.len() < FILENAME_GUESSES_MAX && !guesses.contains(&guess) {
            guesses.push(guess);
        }
    }
    guesses
}

/// The version in a file name of this project, as text: PEP 440 if it can be read so, else what stands there.
pub fn guess_version(filename: &str, project: &ProjectName) -> Option<String> {
    let stem = archive_stem(filename);
    let (_, rest) = stem
        .match_indices('-')
        .map(|(at, _)| (&stem[..at], &stem[at + 1..]))
        .find(|(name, _)| ProjectName::parse(name).is_ok_and(|name| name == *project))?;
    let text = match packagetype(filename) {
        "bdist_wheel" | "bdist_egg" => rest.split('-').next().unwrap_or(rest),
        "bdist_rpm" => rest.rsplit_once('-').map_or(rest, |(version, _)| version),
        _ => without_platform(rest),
    };
    // Wheels and eggs write `_` for `-`, which matters to versions such as `1.0-1`.
    let dashed = text.replace('_', "-");
    let reads_only_dashed = Version::parse(text).is_err() && Version::parse(&dashed).is_ok();
    let version = if reads_only_dashed { dashed } else { text.to_owned() };
    (!version.is_empty()).then_some(version)
}

/// Cuts the platform, and the `-py2.7` of an installer without one, from the text after the project's name.
fn without_platform(rest: &str) -> &str {
    match platform_start(rest).or_else(|| rest.find("-py").filter(|at| starts_with_digit(&rest[at + 3..]))) {
        Some(at) => &rest[..at],
        None => rest,
    }
}

fn platform_start(stem: &str) -> Option<usize> {
    PLATFORMS.iter().filter_map(|platform| stem.find(platform)).min()
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn extension(filename: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let ends_with = |end: &str| {
        let start = filename.len().checked_sub(end.len());
        start.and_then(|start| filename.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    EXTENSIONS.iter().copied().find(|(end, ..)| ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// File name, project, version, packagetype, python_version.
    const CASES: &[(&str, &str, &str, &str, &str)] = &[
        ("foo-1.0.tar.gz", "foo", "1.0", "sdist", "source"),
        ("Foo.Bar-1.0.TGZ", "foo-bar", "1.0", "sdist", "source"),
        ("foo-2-1.0.tar.bz2", "foo-2", "1.0", "sdist", "source"),
        ("foo-bar-2004d.zip", "foo-bar", "2004d", "sdist", "source"),
        ("foo-1.0_1-py2.py3-none-any.whl", "foo", "1.0-1", "bdist_wheel", "py2.py3"),
        ("foo_bar-1.0-3-cp312-abi3-linux_x86_64.whl", "foo-bar", "1.0", "bdist_wheel", "cp312"),
        ("foo_bar-1.0-py2.7.egg", "foo-bar", "1.0", "bdist_egg", "2.7"),
        ("foo-0.6c11-py2.3-win32.egg", "foo", "0.6c11", "bdist_egg", "2.3"),
        ("foo-1.0.win32-py2.7.exe", "foo", "1.0", "bdist_wininst", "2.7"),
        ("foo-bar-1.0.win-amd64.exe", "foo-bar", "1.0", "bdist_wininst", "any"),
        ("foo-1.0.win-amd64-py3.4.msi", "foo", "1.0", "bdist_msi", "3.4"),
        ("foo-1.0-1.noarch.rpm", "foo", "1.0", "bdist_rpm", "any"),
        ("foo-1.0.linux-x86_64.tar.gz", "foo", "1.0", "bdist_dumb", "any"),
        ("foo-1.0-dev-r12.tar.gz", "foo", "1.0-dev-r12", "sdist", "source"),
    ];

    #[test]
    fn old_and_new_file_names_are_understood() {
        for &(filename, project, version, packagetype_, python) in CASES {
            let project = ProjectName::parse(project).unwrap();
            assert_eq!(guess_projects(filename).first(), Some(&project), "{filename}");
            assert_eq!(guess_version(filename, &project).as_deref(), Some(version), "{filename}");
            assert_eq!((packagetype(filename), python_version(filename)), (packagetype_, python), "{filename}");
        }
    }

    #[test]
    fn other_splits_are_further_guesses() {
        let guesses = |filename| guess_projects(filename).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(guesses("foo-1.0.macosx-10.9.tar.gz"), ["foo-1-0-macosx", "foo"]);
        assert_eq!(guesses("foo-bar-x.zip"), ["foo", "foo-bar"]);
        assert_eq!(guesses("foo.zip"), [""; 0]);
        assert_eq!(guesses(&format!("{}a.zip", "a-1-".repeat(20))).len(), FILENAME_GUESSES_MAX);
    }

    #[test]
    fn a_version_is_found_only_behind_the_projects_own_name() {
        let project = ProjectName::parse("foo").unwrap();
        for filename in ["foobar-1.0.zip", "foo.zip", "foo-.zip", "-1.0.zip", ""] {
            assert_eq!(guess_version(filename, &project), None, "{filename}");
        }
    }

    #[test]
    fn nothing_is_served_as_something_a_browser_renders() {
        for (filename, expected) in [
            ("foo-1.0-py3-none-any.whl", "application/octet-stream"),
            ("foo-1.0.tar.gz", "application/gzip"),
            ("foo-1.0.zip", "application/zip"),
            ("foo-1.0.html", "application/octet-stream"),
            ("foo-1.0.svg", "application/octet-stream"),
        ] {
            assert_eq!(content_type(filename), expected, "{filename}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_without_panic(text in ".{0,40}", end in "([.](whl|egg|exe|rpm|zip|tar[.]gz))?") {
            let filename = format!("{text}{end}");
            for project in guess_projects(&filename) {
                prop_assert!(guess_version(&filename, &project).is_none_or(|version| filename.contains(&version) || version.contains('-')));
            }
            prop_assert!(filename.starts_with(archive_stem(&filename)));
            prop_assert!(!python_version(&filename).is_empty() || packagetype(&filename) == "bdist_wheel");
        }
    }
}
