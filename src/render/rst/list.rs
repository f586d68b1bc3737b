//! Lists: with bullets, with numbers, of terms and of fields, of options.

use super::Writer;
use super::lines::{dedented, indent, indented_end, is_blank, trimmed, without};
use std::fmt::Write;

/// One item: its lines without the mark, and how many lines it is.
struct Item<'a> {
    lines: Vec<&'a str>,
    taken: usize,
}

/// The item whose text begins in this column of the first line; all indented lines after it belong to it.
fn item<'a>(lines: &[&'a str], column: usize) -> Item<'a> {
    let more = indented_end(&lines[1..], 0);
    let first = lines[0].get(column..).unwrap_or_default();
    let rest = lines[1..1 + more].iter().map(|line| without(line, column));
    Item { lines: std::iter::once(first).chain(rest).collect(), taken: 1 + more }
}

/// How many blank lines come before the next line, if that is one that `is_next` accepts.
fn blank_before(lines: &[&str], is_next: impl Fn(&str) -> bool) -> Option<usize> {
    let blank = lines.iter().take_while(|line| is_blank(line)).count();
    lines.get(blank).filter(|line| is_next(line)).map(|_| blank)
}

/// The bullet of a line and the column where its text begins.
fn bullet(line: &str) -> Option<(char, usize)> {
    let mark = line.chars().next().filter(|c| "*+-•‣⁃".contains(*c))?;
    let rest = &line[mark.len_utf8()..];
    let is_bullet = rest.is_empty() || rest.starts_with(' ');
    is_bullet.then(|| (mark, mark.len_utf8() + indent(rest)))
}

/// The number of a line such as `1.`, `1)`, `(1)` or `#.`, how it is written, and the column where its text begins.
fn number(line: &str) -> Option<(u32, (bool, char), usize)> {
    let (opened, rest) = line.strip_prefix('(').map_or((false, line), |rest| (true, rest));
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '#')?;
    let (number, rest) = rest.split_at(digits);
    let number = if number == "#" { 1 } else { number.parse().ok()? };
    let end = rest.chars().next().filter(|c| *c == ')' || *c == '.' && !opened)?;
    let rest = &rest[1..];
    let is_number = rest.is_empty() || rest.starts_with(' ');
    is_number.then(|| (number, (opened, end), line.len() - rest.len() + indent(rest)))
}

/// The name of a field and where its body begins: `:name: body`.
fn field(line: &str) -> Option<(&str, usize)> {
    let rest = line.strip_prefix(':')?;
    let end = rest.find(": ").or_else(|| rest.ends_with(':').then(|| rest.len() - 1))?;
    let is_name = end > 0 && !rest[..end].contains('`') && !rest.starts_with([' ', ':']);
    is_name.then(|| (&rest[..end], (end + 3).min(line.len())))
}

/// Whether a line begins with an option of a command: `-a`, `--all`, `-o FILE  description`.
fn is_option(line: &str) -> bool {
    let name = line.strip_prefix("--").or_else(|| line.strip_prefix('-')).unwrap_or_default();
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

impl Writer {
    /// Whether an item is one paragraph, which then stands in the list without one.
    fn is_simple(lines: &[&str]) -> bool {
        let is_text = |line: &&str| !is_blank(line) && indent(line) == 0 && !line.ends_with("::");
        let starts_block = |line: &str| {
            bullet(line).is_some()
                || number(line).is_some()
                || line.starts_with(".. ")
                || line.starts_with(">>> ")
                || line.starts_with('+')
        };
        lines.iter().all(is_text) && !lines.iter().any(|line| starts_block(line))
    }

    /// What belongs to an item, a term or a field.
    fn body(&mut self, lines: &[&str], depth: usize) {
        let lines = trimmed(lines);
        match Self::is_simple(lines) {
            true => self.inline(&lines.join("\n")),
            false => self.blocks(lines, depth + 1),
        }
    }

    pub(super) fn bullets(&mut self, lines: &[&str], depth: usize) -> Option<usize> {
        let (mark, _) = bullet(lines[0])?;
        self.out.push_str("<ul>\n");
        let mut taken = 0;
        while let Some((found, column)) = lines.get(taken).and_then(|line| bullet(line))
            && found == mark
            && !self.is_full()
        {
            let item = item(&lines[taken..], column);
            self.tagged("li", |writer| writer.body(&item.lines, depth));
            taken += item.taken;
            taken += blank_before(&lines[taken..], |next| bullet(next).is_some_and(|(next, _)| next == mark)).unwrap_or(0);
        }
        self.out.push_str("</ul>\n");
        Some(taken)
    }

    pub(super) fn numbers(&mut self, lines: &[&str], depth: usize) -> Option<usize> {
        let (first, style, _) = number(lines[0])?;
        // A line of a paragraph may begin with a number; then the next one does not continue an item.
        if lines.get(1).is_some_and(|next| !is_blank(next) && indent(next) == 0 && number(next).is_none()) {
            return None;
        }
        let _ = writeln!(self.out, "<ol start=\"{first}\">");
        let mut taken = 0;
        while let Some((_, found, column)) = lines.get(taken).and_then(|line| number(line))
            && found == style
            && !self.is_full()
        {
            let item = item(&lines[taken..], column);
            self.tagged("li", |writer| writer.body(&item.lines, depth));
            taken += item.taken;
            taken += blank_before(&lines[taken..], |next| number(next).is_some_and(|(_, next, _)| next == style)).unwrap_or(0);
        }
        self.out.push_str("</ol>\n");
        Some(taken)
    }

    pub(super) fn fields(&mut self, lines: &[&str], depth: usize) -> Option<usize> {
        field(lines[0])?;
        self.out.push_str("<dl>\n");
        let mut taken = 0;
        while let Some((name, column)) = lines.get(taken).and_then(|line| field(line))
            && !self.is_full()
        {
            self.tagged("dt", |writer| writer.inline(name));
            let item = item(&lines[taken..], column);
            let first = item.lines[0].trim_start();
            let more = dedented(&item.lines[1..]);
            self.tagged("dd", |writer| writer.body(&std::iter::once(first).chain(more).collect::<Vec<_>>(), depth));
            taken += item.taken;
            taken += blank_before(&lines[taken..], |next| field(next).is_some()).unwrap_or(0);
        }
        self.out.push_str("</dl>\n");
        Some(taken)
    }

    /// Options of a command are aligned by their authors; so they stay.
    pub(super) fn options(&mut self, lines: &[&str], _depth: usize) -> Option<usize> {
        if !is_option(lines[0]) {
            return None;
        }
        let mut taken = 1;
        loop {
            taken += indented_end(&lines[taken..], 0);
            match blank_before(&lines[taken..], is_option) {
                Some(blank) => taken += blank + 1,
                None => break,
            }
        }
        self.literal(&lines[..taken], None);
        Some(taken)
    }

    /// Terms, each with its definition indented below it.
    pub(super) fn definitions(&mut self, lines: &[&str], depth: usize) -> Option<usize> {
        let is_term = |lines: &[&str]| {
            lines.len() > 1 && !is_blank(lines[0]) && indent(lines[0]) == 0 && !is_blank(lines[1]) && indent(lines[1]) > 0
        };
        let is_other =
            |line: &str| line.starts_with(".. ") || line.ends_with("::") || bullet(line).is_some() || number(line).is_some();
        if !is_term(lines) || is_other(lines[0]) {
            return None;
        }
        self.out.push_str("<dl>\n");
        let mut taken = 0;
        while is_term(&lines[taken..]) && !is_other(lines[taken]) && !self.is_full() {
            self.tagged("dt", |writer| writer.inline(lines[taken]));
            let end = indented_end(&lines[taken + 1..], 0);
            let body = dedented(&lines[taken + 1..taken + 1 + end]);
            self.tagged("dd", |writer| writer.body(&body, depth));
            taken += 1 + end;
            let blank = lines[taken..].iter().take_while(|line| is_blank(line)).count();
            if is_term(&lines[taken + blank..]) && !is_other(lines[taken + blank]) {
                taken += blank;
            }
        }
        self.out.push_str("</dl>\n");
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_from_text() {
        assert_eq!(
            (bullet("- a"), bullet("-a"), bullet("*"), bullet("•  b")),
            (Some(('-', 2)), None, Some(('*', 1)), Some(('•', 5)))
        );
        assert_eq!(number("12. a"), Some((12, (false, '.'), 4)));
        assert_eq!(number("(3) a"), Some((3, (true, ')'), 4)));
        assert_eq!(number("#) a"), Some((1, (false, ')'), 3)));
        for line in ["1.5 a", "1", "a. b", "(3. a", "99999999999. a", ""] {
            assert_eq!(number(line), None, "{line}");
        }
        assert_eq!(
            (field(":a b: c"), field(":a:"), field(":func:`x`"), field(": a: b")),
            (Some(("a b", 6)), Some(("a", 3)), None, None)
        );
        assert!(is_option("-a  b") && is_option("--all") && !is_option("- a") && !is_option("---"));
    }
}
