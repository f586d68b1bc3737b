//! Lines and their indentation. Tabs are expanded first, so that columns are bytes.

/// The text with tabs expanded to every eighth column, and without white space at the ends of lines.
pub(super) fn expanded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let mut column = 0;
        for c in line.trim_end().chars() {
            let wide = if c == '\t' { 8 - column % 8 } else { 1 };
            match c {
                '\t' => out.extend(std::iter::repeat_n(' ', wide)),
                // Form feeds and their like part nothing here.
                c if c.is_control() => out.push(' '),
                c => out.push(c),
            }
            column += wide;
        }
        out.push('\n');
    }
    out
}

pub(super) fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// Spaces at the beginning of a line.
pub(super) fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// How many lines from the first on are blank or indented more than `margin`, less the blank ones at the end.
pub(super) fn indented_end(lines: &[&str], margin: usize) -> usize {
    let is_inside = |line: &&str| is_blank(line) || indent(line) > margin;
    let end = lines.iter().take_while(|line| is_inside(line)).count();
    lines[..end].iter().rposition(|line| !is_blank(line)).map_or(0, |last| last + 1)
}

/// The lines without the indentation that all of them have.
pub(super) fn dedented<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let margin = lines.iter().filter(|line| !is_blank(line)).map(|line| indent(line)).min().unwrap_or(0);
    lines.iter().map(|line| without(line, margin)).collect()
}

/// The line without `margin` spaces, or as many as it has.
pub(super) fn without(line: &str, margin: usize) -> &str {
    &line[indent(line).min(margin)..]
}

/// The lines without blank ones at both ends.
pub(super) fn trimmed<'l, 'a>(lines: &'l [&'a str]) -> &'l [&'a str] {
    let Some(start) = lines.iter().position(|line| !is_blank(line)) else { return &[] };
    let end = lines.iter().rposition(|line| !is_blank(line)).map_or(start, |last| last + 1);
    &lines[start..end]
}

/// How many lines there are to the next blank one.
pub(super) fn paragraph_end(lines: &[&str]) -> usize {
    lines.iter().take_while(|line| !is_blank(line)).count()
}

/// The character of a line that consists of one repeated punctuation character, as below and above titles.
pub(super) fn adornment(line: &str) -> Option<char> {
    let first = line.chars().next().filter(char::is_ascii_punctuation)?;
    (line.len() >= 2 && line.chars().all(|c| c == first) && !matches!(line, ".." | "::" | "__")).then_some(first)
}
