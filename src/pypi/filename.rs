//! File names of wheels and source distributions that may be published here (PEP 427, PEP 625, PEP 425).
//!
//! The rules are for uploads, where a wrong name is told to its author. The names on other indexes' pages, where anything
//! may stand, are read by [`super::filename_guess`].

use super::{ProjectName, Version, legible};
use crate::limits::FILENAME_BYTES_MAX;
use std::fmt;

/// What the name of a wheel or a source distribution says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistFilename {
    /// The project.
    pub project: ProjectName,
    /// The version as the file name writes it.
    pub version: Version,
    /// Wheel or source distribution.
    pub kind: DistKind,
}

/// What kind of distribution a file is, and what its name says beyond project and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DistKind {
    /// A built distribution (PEP 427). Tags may be sets, joined with `.`, as in `py2.py3`.
    Wheel {
        /// Breaks ties between wheels of one release; begins with a digit.
        build: Option<String>,
        /// Interpreters, such as `cp312`.
        python: String,
        /// Binary interfaces, such as `abi3`, or `none`.
        abi: String,
        /// Platforms, such as `linux_x86_64`, or `any`.
        platform: String,
    },
    /// A source distribution (PEP 625).
    Sdist {
        /// How it is packed.
        extension: SdistExtension,
    },
}

/// How a source distribution is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdistExtension {
    /// `.tar.gz`, the form that PEP 625 prescribes.
    TarGz,
    /// `.zip`, the form of older tools.
    Zip,
}

/// Why a file name is refused. Every text names the file and says what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilename {
    /// More bytes than file systems hold.
    #[error("the file name {0:?} is too long: at most {FILENAME_BYTES_MAX} bytes are accepted")]
    TooLong(String),
    /// A character that no project name, version or tag has, such as `/`, or `..`.
    #[error(
        "the file name {0:?} has characters that are not accepted: use ASCII letters, digits, '.', '_', '-', '+' and '!', and no '..'"
    )]
    Characters(String),
    /// Neither a wheel nor a source distribution.
    #[error("{0:?} is not a distribution that can be uploaded: use a wheel (.whl) or a source distribution (.tar.gz or .zip)")]
    Extension(String),
    /// A wheel's name has too few or too many parts.
    #[error(
        "{0:?} is not a wheel's file name: it must read name-version[-build]-python-abi-platform.whl, with '_' for each '-' inside a part"
    )]
    WheelParts(String),
    /// A source distribution's name does not end in a version.
    #[error("{0:?} is not a source distribution's file name: it must read name-version.tar.gz (or .zip) with a PEP 440 version")]
    SdistParts(String),
    /// The part before the version is not a project name.
    #[error(
        "the file name {filename:?} has {name:?} where the project's name belongs: use ASCII letters, digits, '.' and '_', begin and end with a letter or digit, and write no '__' in a wheel's name"
    )]
    Name {
        /// The file name.
        filename: String,
        /// The part that is wrong.
        name: String,
    },
    /// The version of a wheel is not PEP 440.
    #[error(
        "the file name {filename:?} has {version:?} where the version belongs: PEP 440 wants a version such as 1.2.3 or 1.2rc1"
    )]
    Version {
        /// The file name.
        filename: String,
        /// The part that is wrong.
        version: String,
    },
    /// A wheel's build tag does not begin with a digit.
    #[error(
        "the file name {filename:?} has the build tag {build:?}: it must begin with a digit and have only letters, digits, '_' and '.'"
    )]
    Build {
        /// The file name.
        filename: String,
        /// The part that is wrong.
        build: String,
    },
    /// A tag is empty, has a character that tags do not have, or an interpreter begins with a digit.
    #[error(
        "the file name {filename:?} has the tag {tag:?}: a tag is one or more words of letters, digits and '_', joined with '.', as in py3 or cp312"
    )]
    Tag {
        /// The file name.
        filename: String,
        /// The part that is wrong.
        tag: String,
    },
}

impl DistFilename {
    /// Reads the file name of an upload. Names need not be normalized; `-` inside the name of a source distribution is accepted.
    pub fn parse(filename: &str) -> Result<Self, InvalidFilename> {
        if filename.len() > FILENAME_BYTES_MAX {
            return Err(InvalidFilename::TooLong(legible(filename, FILENAME_BYTES_MAX)));
        }
        let accepted = |b: u8| b.is_ascii_alphanumeric() || b"._-+!".contains(&b);
        if !filename.bytes().all(accepted) || filename.contains("..") {
            return Err(InvalidFilename::Characters(filename.to_owned()));
        }
        if let Some(stem) = filename.strip_suffix(".whl") {
            parse_wheel(filename, stem)
        } else if let Some(stem) = filename.strip_suffix(".tar.gz") {
            parse_sdist(filename, stem, SdistExtension::TarGz)
        } else if let Some(stem) = filename.strip_suffix(".zip") {
            parse_sdist(filename, stem, SdistExtension::Zip)
        } else {
            Err(InvalidFilename::Extension(filename.to_owned()))
        }
    }

    /// Whether it is a wheel.
    pub fn is_wheel(&self) -> bool {
        matches!(self.kind, DistKind::Wheel { .. })
    }
}

impl SdistExtension {
    /// `tar.gz` or `zip`, without a dot before it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TarGz => "tar.gz",
            Self::Zip => "zip",
        }
    }
}

impl fmt::Display for SdistExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn parse_wheel(filename: &str, stem: &str) -> Result<DistFilename, InvalidFilename> {
    let parts: Vec<&str> = stem.split('-').collect();
    let (name, version, build, [python, abi, platform]) = match parts[..] {
        [name, version, python, abi, platform] => (name, version, None, [python, abi, platform]),
        [name, version, build, python, abi, platform] => (name, version, Some(build), [python, abi, platform]),
        _ => return Err(InvalidFilename::WheelParts(filename.to_owned())),
    };
    // Installers skip wheels with `__`, so publishing one would only hide it.
    if name.contains("__") {
        return Err(wrong_name(filename, name));
    }
    let project = ProjectName::parse(name).map_err(|_| wrong_name(filename, name))?;
    let version = Version::parse(version)
        .map_err(|_| InvalidFilename::Version { filename: filename.to_owned(), version: version.to_owned() })?;
    if let Some(build) = build.filter(|build| !is_build_tag(build)) {
        return Err(InvalidFilename::Build { filename: filename.to_owned(), build: build.to_owned() });
    }
    let interpreters_are_words = python.split('.').all(|word| !word.starts_with(|c: char| c.is_ascii_digit()));
    let wrong = [python, abi, platform].into_iter().find(|tag| !is_tag_set(tag)).or((!interpreters_are_words).then_some(python));
    if let Some(tag) = wrong {
        return Err(InvalidFilename::Tag { filename: filename.to_owned(), tag: tag.to_owned() });
    }
    let [python, abi, platform] = [python, abi, platform].map(str::to_owned);
    Ok(DistFilename { project, version, kind: DistKind::Wheel { build: build.map(str::to_owned), python, abi, platform } })
}

/// Splits at the last `-` that is followed by a version, since older tools left `-` in the name: `a-2-1.0` is `a-2` at `1.0`.
fn parse_sdist(filename: &str, stem: &str, extension: SdistExtension) -> Result<DistFilename, InvalidFilename> {
    let mut splits = stem.rmatch_indices('-').map(|(at, _)| (&stem[..at], &stem[at + 1..]));
    let Some((name, version)) = splits.find_map(|(name, rest)| Some((name, Version::parse(rest).ok()?))) else {
        return Err(InvalidFilename::SdistParts(filename.to_owned()));
    };
    let project = ProjectName::parse(name).map_err(|_| wrong_name(filename, name))?;
    Ok(DistFilename { project, version, kind: DistKind::Sdist { extension } })
}

fn wrong_name(filename: &str, name: &str) -> InvalidFilename {
    InvalidFilename::Name { filename: filename.to_owned(), name: name.to_owned() }
}

fn is_build_tag(build: &str) -> bool {
    build.starts_with(|c: char| c.is_ascii_digit()) && build.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b))
}

fn is_tag_set(tags: &str) -> bool {
    tags.split('.').all(|tag| !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(filename: &str) -> DistFilename {
        DistFilename::parse(filename).unwrap()
    }

    fn parts(filename: &str) -> (String, String) {
        let parsed = parse(filename);
        (parsed.project.to_string(), parsed.version.normalized())
    }

    /// Accepted, with these names and versions, by Python's `packaging` 26.3 as well.
    #[test]
    fn names_and_versions_are_those_of_the_reference_implementation() {
        for (filename, name, version) in [
            ("foo-1.0.tar.gz", "foo", "1.0"),
            ("Foo.Bar-1.0.tar.gz", "foo-bar", "1.0"),
            ("foo_bar-1.0.zip", "foo-bar", "1.0"),
            ("foo-bar-1.0.tar.gz", "foo-bar", "1.0"),
            ("foo-2-1.0.tar.gz", "foo-2", "1.0"),
            ("foo-1.0-1.tar.gz", "foo-1-0", "1"),
            ("foo-1!1.0.tar.gz", "foo", "1!1.0"),
            ("foo-1.0+local.1.tar.gz", "foo", "1.0+local.1"),
            ("foo-1.0-py3-none-any.whl", "foo", "1.0"),
            ("Foo.Bar_baz-1.0rc1-py2.py3-none-any.whl", "foo-bar-baz", "1.0rc1"),
            ("foo-1.0+cu121-1a-cp312-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "foo", "1.0+cu121"),
            ("foo-1.0+a_b-cp39-cp39-linux_x86_64.whl", "foo", "1.0+a.b"),
            ("foo-1.0-pp310-pypy310_pp73-win_amd64.whl", "foo", "1.0"),
        ] {
            assert_eq!(parts(filename), (name.to_owned(), version.to_owned()), "{filename}");
        }
    }

    #[test]
    fn a_version_of_two_parts_is_found_in_a_source_distribution() {
        assert_eq!(parts("foo-1.0-dev.tar.gz"), ("foo".to_owned(), "1.0.dev0".to_owned()));
        assert_eq!(parts("foo-bar-1.0-rc-2.zip"), ("foo-bar-1-0-rc".to_owned(), "2".to_owned()));
    }

    #[test]
    fn a_wheel_tells_its_tags() {
        let kind = parse("foo-1.0-2b-py2.py3-none-macosx_11_0_arm64.whl").kind;
        let [build, python, abi, platform] = ["2b", "py2.py3", "none", "macosx_11_0_arm64"].map(str::to_owned);
        assert_eq!(kind, DistKind::Wheel { build: Some(build), python, abi, platform });
        assert_eq!(parse("foo-1.0.zip").kind, DistKind::Sdist { extension: SdistExtension::Zip });
    }

    #[test]
    fn refusals_say_why() {
        use InvalidFilename as E;
        type Test = fn(&InvalidFilename) -> bool;
        let cases: &[(&str, Test)] = &[
            ("", |e| matches!(e, E::Extension(_))),
            ("foo-1.0.egg", |e| matches!(e, E::Extension(_))),
            ("foo-1.0.tar.bz2", |e| matches!(e, E::Extension(_))),
            ("foo-1.0.TAR.GZ", |e| matches!(e, E::Extension(_))),
            ("foo.tar.gz", |e| matches!(e, E::SdistParts(_))),
            ("foo-.tar.gz", |e| matches!(e, E::SdistParts(_))),
            ("foo-latest.zip", |e| matches!(e, E::SdistParts(_))),
            ("-1.0.tar.gz", |e| matches!(e, E::Name { .. })),
            ("_foo-1.0.tar.gz", |e| matches!(e, E::Name { .. })),
            ("foo--1.0.tar.gz", |e| matches!(e, E::Name { .. })),
            ("foo-1.0.whl", |e| matches!(e, E::WheelParts(_))),
            ("foo-bar-1.0-1-py3-none-any.whl", |e| matches!(e, E::WheelParts(_))),
            ("foo__bar-1.0-py3-none-any.whl", |e| matches!(e, E::Name { .. })),
            ("-1.0-py3-none-any.whl", |e| matches!(e, E::Name { .. })),
            ("foo-bar-py3-none-any.whl", |e| matches!(e, E::Version { .. })),
            ("foo-1.0_x-py3-none-any.whl", |e| matches!(e, E::Version { .. })),
            ("foo-1.0-b1-py3-none-any.whl", |e| matches!(e, E::Build { .. })),
            ("foo-1.0--py3-none-any.whl", |e| matches!(e, E::Build { .. })),
            ("foo-1.0-py3.-none-any.whl", |e| matches!(e, E::Tag { .. })),
            ("foo-1.0-py3-none-.whl", |e| matches!(e, E::Tag { .. })),
            ("foo-1.0-py3--any.whl", |e| matches!(e, E::Tag { .. })),
            ("foo-1.0-3py-none-any.whl", |e| matches!(e, E::Tag { .. })),
            ("foo-1.0-py3-none-a+b.whl", |e| matches!(e, E::Tag { .. })),
            ("../foo-1.0.tar.gz", |e| matches!(e, E::Characters(_))),
            ("foo..bar-1.0.tar.gz", |e| matches!(e, E::Characters(_))),
            ("a\\foo-1.0.tar.gz", |e| matches!(e, E::Characters(_))),
            ("foo- 1.0.tar.gz", |e| matches!(e, E::Characters(_))),
            ("foo-1.0\n.tar.gz", |e| matches!(e, E::Characters(_))),
            ("foo-1.0\0.tar.gz", |e| matches!(e, E::Characters(_))),
            ("fóo-1.0.tar.gz", |e| matches!(e, E::Characters(_))),
        ];
        for (filename, expected) in cases {
            let error = DistFilename::parse(filename).unwrap_err();
            assert!(expected(&error), "{filename:?}: {error:?}");
        }
        let long = format!("{}-1.0.tar.gz", "a".repeat(FILENAME_BYTES_MAX));
        assert!(matches!(DistFilename::parse(&long), Err(E::TooLong(_))));
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_panic(text in ".{0,60}", tail in "(-1.0)?(-[a-z0-9.]{0,4}){0,5}[.](whl|tar[.]gz|zip)") {
            let _ = DistFilename::parse(&text);
            if let Ok(parsed) = DistFilename::parse(&format!("{text}{tail}")) {
                prop_assert!(text.is_ascii() && !text.contains(['/', '\\']) && !parsed.project.as_str().is_empty());
            }
        }

        #[test]
        fn what_build_tools_write_is_read_back(name in "[a-z][a-z0-9]{0,5}(_[a-z0-9]{1,3}){0,2}", version in "[0-9]{1,3}([.][0-9]{1,3}){0,2}(rc[0-9])?") {
            let project = ProjectName::parse(&name).unwrap();
            for tail in [".tar.gz", "-py3-none-any.whl"] {
                let parsed = parse(&format!("{}-{version}{tail}", project.in_filename()));
                prop_assert_eq!((&parsed.project, parsed.version.as_str()), (&project, version.as_str()));
            }
        }
    }
}
