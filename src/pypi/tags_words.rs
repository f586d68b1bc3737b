//! What a file is and where it runs, in words for people, read from its name (PEP 425, the platform compatibility tags
//! specification with PEP 600, 656, 703, 730, 738, 776, 783 and 803).
//!
//! A tag that is not known is shown as it stands: new ones appear every year, and a wrong word is worse than none.

use super::filename_guess::{archive_stem, packagetype, python_version};
use std::fmt;

/// What a file's name says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagsWords {
    /// `CPython 3.12`, `Any Python 3`, `Source`, `Egg for Python 2.7`.
    pub what: String,
    /// Each of the systems it is for: `Windows x86-64`, `any system`. None for sources, which say nothing about it.
    pub systems: Vec<String>,
}

/// `CPython 3.12, Linux x86-64 (glibc 2.17 or newer)`
impl fmt::Display for TagsWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let mut separator = ", ";
        for system in &self.systems {
            write!(f, "{separator}{system}")?;
            separator = " / ";
        }
        Ok(())
    }
}

/// Reads the name of any distribution, also of the kinds that are no longer made.
pub fn in_words(filename: &str) -> TagsWords {
    let bare = |what: &str| TagsWords { what: what.to_owned(), systems: Vec::new() };
    match packagetype(filename) {
        "sdist" => bare("Source"),
        "bdist_wheel" => wheel(archive_stem(filename)),
        "bdist_egg" => built("Egg", filename),
        "bdist_wininst" | "bdist_msi" => built("Windows installer", filename),
        "bdist_rpm" => bare("RPM package"),
        "bdist_dmg" => bare("macOS disk image"),
        _ if filename.ends_with(".deb") => bare("Debian package"),
        _ => built("Built archive", filename),
    }
}

fn wheel(stem: &str) -> TagsWords {
    let mut tags = stem.rsplit('-');
    match (tags.next(), tags.next(), tags.next()) {
        (Some(platforms), Some(abis), Some(pythons)) if !pythons.is_empty() => {
            TagsWords { what: interpreters(pythons, abis), systems: systems(platforms) }
        }
        _ => TagsWords { what: "Wheel".to_owned(), systems: Vec::new() },
    }
}

/// Eggs, installers and built archives name the interpreter as `py2.7` and the platform as `linux-x86_64`.
fn built(kind: &str, filename: &str) -> TagsWords {
    let what = match python_version(filename) {
        "any" | "source" => kind.to_owned(),
        version => format!("{kind} for Python {version}"),
    };
    TagsWords { what, systems: built_platform(archive_stem(filename)).iter().flat_map(|tag| systems(tag)).collect() }
}

/// The platform in such a name, as a wheel would write it.
fn built_platform(stem: &str) -> Option<String> {
    let begins = ["linux-", "macosx-", "win32", "win-amd64", "win-arm64", "cygwin-", "freebsd-"];
    let is_apart = |at: usize| stem[..at].ends_with(['-', '.']);
    let at = begins.iter().filter_map(|begin| stem.find(begin)).find(|at| is_apart(*at))?;
    // In an installer's name the interpreter comes last.
    let platform = stem[at..].split("-py").next().unwrap_or_default();
    Some(platform.replace(['-', '.'], "_"))
}

/// An interpreter tag, such as `cp312`: who, and which version.
struct Interpreter<'a> {
    implementation: &'a str,
    /// (major, minor); no minor in `py3`.
    version: Option<(u32, Option<u32>)>,
    tag: &'a str,
}

impl<'a> Interpreter<'a> {
    fn read(tag: &'a str) -> Self {
        let digits = tag.find(|c: char| c.is_ascii_digit()).unwrap_or(tag.len());
        let (implementation, version) = tag.split_at(digits);
        // `py_version_nodot`: one digit for the major version. An underscore stands where a dot is needed.
        let version = match version.split_at_checked(1) {
            Some((major, minor)) => match (major.parse(), minor.trim_start_matches('_')) {
                (Ok(major), "") => Some((major, None)),
                (Ok(major), minor) => minor.parse().ok().map(|minor| (major, Some(minor))),
                _ => None,
            },
            None => None,
        };
        Self { implementation: implementation.trim_end_matches('_'), version, tag }
    }

    /// The name that people know; `None` for one that nobody has told us.
    fn name(&self) -> Option<&'static str> {
        let names = [
            ("py", "Python"),
            ("cp", "CPython"),
            ("pp", "PyPy"),
            ("ip", "IronPython"),
            ("jy", "Jython"),
            ("graalpy", "GraalPy"),
            ("rustpython", "RustPython"),
        ];
        names.iter().find(|(short, _)| *short == self.implementation).map(|(_, name)| *name)
    }
}

/// The set of interpreters and that of binary interfaces: `cp312` and `cp312`, `py2.py3` and `none`.
fn interpreters(pythons: &str, abis: &str) -> String {
    let all: Vec<Interpreter<'_>> = pythons.split('.').map(Interpreter::read).collect();
    let mut words: Vec<String> = Vec::new();
    for implementation in unique(all.iter().map(|python| python.implementation)) {
        let these: Vec<&Interpreter<'_>> = all.iter().filter(|python| python.implementation == implementation).collect();
        words.push(one_implementation(&these, abis));
    }
    match interface(abis) {
        "" => words.join(" or "),
        note => format!("{} ({note})", words.join(" or ")),
    }
}

fn one_implementation(these: &[&Interpreter<'_>], abis: &str) -> String {
    let as_they_stand = || these.iter().map(|python| python.tag).collect::<Vec<_>>().join(" or ");
    let versions: Option<Vec<(u32, Option<u32>)>> = these.iter().map(|python| python.version).collect();
    // Before 2019 PyPy's tags held PyPy's own version.
    let is_old_pypy = these[0].implementation == "pp" && abis.split('.').any(|abi| abi.starts_with("pypy_"));
    let (Some(name), Some(mut versions), false) = (these[0].name(), versions, is_old_pypy) else { return as_they_stand() };
    versions.sort_unstable();
    versions.dedup();
    let is_stable = abis.split('.').any(|abi| matches!(abi, "abi3" | "abi3t"));
    match name {
        "Python" => generic(&versions),
        _ if is_stable && let Some(first) = versions.first() => format!("{name} {} or newer", dotted(*first)),
        _ => format!("{name} {}", list(versions.iter().map(|version| dotted(*version)), "and")),
    }
}

/// `py3` is any Python 3; `py38` is Python 3 from 3.8 on, as installers read it.
fn generic(versions: &[(u32, Option<u32>)]) -> String {
    let majors: Vec<u32> = unique(versions.iter().map(|(major, _)| *major));
    // `None` sorts before every minor version, so whoever takes any comes first.
    let lowest = |major: u32| versions.iter().find(|(of, _)| *of == major).and_then(|(_, minor)| *minor);
    if majors.iter().all(|major| lowest(*major).is_none()) {
        return format!("Any Python {}", list(majors.iter().map(u32::to_string), "or"));
    }
    let from = majors.iter().map(|major| match lowest(*major) {
        // 2.7 is the last of its kind.
        Some(minor) if (*major, minor) == (2, 7) => "2.7".to_owned(),
        Some(minor) => format!("{major}.{minor} or newer"),
        None => major.to_string(),
    });
    format!("Python {}", list(from, "or"))
}

/// What the binary interface says beyond the interpreter.
fn interface(abis: &str) -> &'static str {
    let has = |abi: &str| abis.split('.').any(|found| found == abi);
    let any = |test: &dyn Fn(&str) -> bool| abis.split('.').filter_map(|abi| abi.strip_prefix("cp")).any(test);
    match () {
        () if has("abi3") && has("abi3t") => "stable ABI, free-threaded too",
        () if has("abi3t") => "stable ABI, free-threaded",
        () if has("abi3") => "stable ABI",
        () if any(&|abi| abi.ends_with("td")) => "free-threaded, debug build",
        () if any(&|abi| abi.ends_with('t')) => "free-threaded",
        () if any(&|abi| abi.starts_with('2') && abi.ends_with("mu")) => "wide Unicode",
        () if any(&|abi| abi.starts_with('2') && abi.ends_with('m')) => "narrow Unicode",
        () if any(&|abi| abi.trim_end_matches('m').ends_with('d')) => "debug build",
        () => "",
    }
}

fn dotted((major, minor): (u32, Option<u32>)) -> String {
    minor.map_or_else(|| major.to_string(), |minor| format!("{major}.{minor}"))
}

/// A platform tag, apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Platform {
    /// What is merged: of several tags that differ in the version only, the lowest version says it all.
    family: &'static str,
    version: Option<(u32, u32)>,
    machine: String,
}

/// The set of platforms, in its order.
fn systems(platforms: &str) -> Vec<String> {
    let mut merged: Vec<Platform> = Vec::new();
    for platform in platforms.split('.').map(platform) {
        match merged.iter_mut().find(|known| known.family == platform.family && known.machine == platform.machine) {
            Some(known) => known.version = known.version.min(platform.version),
            None => merged.push(platform),
        }
    }
    // Who has both need not be told of each.
    if merged.iter().any(|platform| platform.machine == MAC_BOTH) {
        merged.retain(|platform| platform.machine != MAC_ARM && platform.machine != MAC_INTEL);
    }
    unique(merged.iter().map(system))
}

fn system(platform: &Platform) -> String {
    let Platform { family, machine, version } = platform;
    let short = |(major, minor)| if minor == 0 { format!("{major}") } else { format!("{major}.{minor}") };
    let full = |(major, minor)| format!("{major}.{minor}");
    match (*family, *version) {
        ("glibc" | "musl", Some(version)) => format!("Linux {machine} ({family} {} or newer)", full(version)),
        ("macOS", Some(version)) => format!("macOS {} or newer, {machine}", short(version)),
        ("iOS", Some(version)) => format!("iOS {} or newer, {machine}", short(version)),
        ("Android", Some((level, _))) => format!("Android {machine} (API level {level} or newer)"),
        ("Pyodide" | "PyEmscripten" | "Emscripten", Some(version)) => format!("WebAssembly ({family} {})", full(version)),
        ("as it stands", _) => machine.clone(),
        (family, _) => format!("{family} {machine}"),
    }
}

fn platform(tag: &str) -> Platform {
    let of = |family, version, machine: &str| Platform { family, version, machine: machine.to_owned() };
    let fixed = [
        ("any", "any system"),
        ("win32", "Windows x86 (32 bit)"),
        ("win_amd64", "Windows x86-64"),
        ("win_arm64", "Windows ARM64"),
        ("win_arm32", "Windows ARM (32 bit)"),
        ("win_ia64", "Windows Itanium"),
    ];
    if let Some((_, words)) = fixed.iter().find(|(known, _)| *known == tag) {
        return of("as it stands", None, words);
    }
    let numbered = |prefix: &str| tag.strip_prefix(prefix).and_then(two_numbers);
    let legacy = [("manylinux1_", (2, 5)), ("manylinux2010_", (2, 12)), ("manylinux2014_", (2, 17))];
    if let Some((machine, glibc)) = legacy.iter().find_map(|(prefix, glibc)| Some((tag.strip_prefix(prefix)?, *glibc))) {
        return of("glibc", Some(glibc), machine_words(machine));
    }
    for (prefix, family) in [("manylinux_", "glibc"), ("musllinux_", "musl")] {
        if let Some((version, machine)) = numbered(prefix) {
            return of(family, Some(version), machine_words(machine));
        }
    }
    if let Some((version, machine)) = numbered("macosx_") {
        return of("macOS", Some(version), mac_words(machine));
    }
    if let Some((version, machine)) = numbered("ios_") {
        return Platform { family: "iOS", version: Some(version), machine: ios_words(machine) };
    }
    if let Some((level, machine)) = tag.strip_prefix("android_").and_then(one_number) {
        return of("Android", Some((level, 0)), machine_words(machine));
    }
    for (prefix, family) in [("pyodide_", "Pyodide"), ("pyemscripten_", "PyEmscripten"), ("emscripten_", "Emscripten")] {
        if let Some((version, machine)) = numbered(prefix) {
            return of(family, Some(version), machine);
        }
    }
    match tag.strip_prefix("linux_") {
        Some(machine) => of("Linux", None, machine_words(machine)),
        None => of("as it stands", None, tag),
    }
}

/// `17_x86_64` is 17 and `x86_64`.
fn one_number(text: &str) -> Option<(u32, &str)> {
    let (number, rest) = text.split_once('_')?;
    Some((number.parse().ok()?, rest))
}

/// `2_17_x86_64` is (2, 17) and `x86_64`.
fn two_numbers(text: &str) -> Option<((u32, u32), &str)> {
    let (major, rest) = one_number(text)?;
    let (minor, rest) = one_number(rest)?;
    Some(((major, minor), rest))
}

fn machine_words(machine: &str) -> &str {
    match machine {
        "x86_64" | "amd64" => "x86-64",
        "i686" | "i386" | "x86" => "x86 (32 bit)",
        "aarch64" | "arm64" | "arm64_v8a" => "ARM64",
        "armv7l" | "armeabi_v7a" => "ARMv7",
        "armv6l" => "ARMv6",
        "ppc64le" => "POWER (ppc64le)",
        "ppc64" => "POWER (ppc64)",
        "s390x" => "IBM Z (s390x)",
        "riscv64" => "RISC-V (64 bit)",
        "loongarch64" => "LoongArch (64 bit)",
        other => other,
    }
}

const MAC_ARM: &str = "Apple silicon";
const MAC_INTEL: &str = "Intel";
const MAC_BOTH: &str = "Apple silicon and Intel";

fn mac_words(machine: &str) -> &str {
    match machine {
        "arm64" => MAC_ARM,
        "x86_64" => MAC_INTEL,
        "universal2" => MAC_BOTH,
        "intel" => "Intel (32 and 64 bit)",
        "i386" => "Intel (32 bit)",
        "ppc" | "ppc64" => "PowerPC",
        "fat" | "fat3" | "fat32" | "fat64" | "universal" => "Intel and PowerPC",
        other => other,
    }
}

fn ios_words(machine: &str) -> String {
    match (machine.strip_suffix("_iphoneos"), machine.strip_suffix("_iphonesimulator")) {
        (Some(machine), _) => machine_words(machine).to_owned(),
        (_, Some(machine)) => format!("simulator on {}", machine_words(machine)),
        _ => machine.to_owned(),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: impl Iterator<Item = String>, last: &str) -> String {
    let items: Vec<String> = items.collect();
    match items.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}

/// The items without repetitions, in their order.
fn unique<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wheels_in_words() {
        let tags = [
            "py3-none-any",
            "py2.py3-none-any",
            "py2-none-any",
            "py38-none-any",
            "py27-none-any",
            "py27.py36.py37-none-any",
            "py3.py312-none-any",
            "py3-none-win_amd64",
            "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "cp312-cp312-manylinux_2_27_aarch64.manylinux_2_28_aarch64",
            "cp39-cp39-manylinux1_i686",
            "cp313-cp313-musllinux_1_2_x86_64",
            "cp38-abi3-win_amd64",
            "cp39-abi3-macosx_10_12_x86_64.macosx_11_0_arm64.macosx_10_12_universal2",
            "cp313-cp313t-win_arm64",
            "cp314-cp314td-linux_x86_64",
            "cp315-abi3t-any",
            "cp315-abi3.abi3t-win32",
            "cp36-cp36m-macosx_10_9_x86_64",
            "cp27-cp27mu-manylinux2010_x86_64",
            "cp27-cp27m-win32",
            "cp35.cp36.cp37-none-win32.win_amd64",
            "pp310-pypy310_pp73-macosx_11_0_arm64",
            "pp257-pypy_41-linux_x86_64",
            "graalpy312-graalpy242_312_native-linux_aarch64",
            "cp313-cp313-ios_13_0_arm64_iphoneos",
            "cp313-cp313-ios_13_0_x86_64_iphonesimulator",
            "cp313-cp313-android_21_arm64_v8a",
            "cp313-cp313-pyodide_2025_0_wasm32",
            "cp314-cp314-pyemscripten_2026_0_wasm32",
            "cp312-cp312-freebsd_14_1_release_amd64",
            "cp312-cp312-manylinux_2_31_riscv64",
            "cp310-cp310-macosx_10_6_intel.macosx_10_9_intel",
            "weird-none-plan9",
            "py3_12-none-any",
        ];
        let words = tags.map(|tags| format!("{tags}\n    {}", in_words(&format!("Foo_Bar-1.0-{tags}.whl"))));
        insta::assert_snapshot!(words.join("\n"));
    }

    #[test]
    fn other_kinds_in_words() {
        let names = [
            "foo-1.0.tar.gz",
            "foo-1.0.zip",
            "foo-1.0.tar.bz2",
            "foo-1.0-py2.7.egg",
            "foo-1.0-py3.6-linux-x86_64.egg",
            "foo-1.0-py2.7-macosx-10.9-x86_64.egg",
            "foo-1.0.win32-py2.7.exe",
            "foo-1.0.win-amd64.exe",
            "foo-1.0.win-amd64-py3.5.msi",
            "foo-1.0-1.noarch.rpm",
            "python-foo_1.0_all.deb",
            "foo-1.0.dmg",
            "foo-1.0.linux-x86_64.tar.gz",
            "foo-1.0.macosx-10.9-x86_64.tar.gz",
            "foo.whl",
            "README",
        ];
        let words = names.map(|name| format!("{name}: {}", in_words(name)));
        insta::assert_snapshot!(words.join("\n"));
    }

    proptest! {
        #[test]
        fn any_name_has_words(text in ".{0,40}", tags in "(-[a-z0-9_.]{0,12}){0,5}", end in "[.](whl|egg|exe|tar[.]gz|deb)") {
            let name = text + &tags + &end;
            prop_assert!(!in_words(&name).what.is_empty(), "{}", name);
        }
    }
}
