//! Tables, drawn with lines (`+---+`) or with borders of columns (`===  ===`). Those with cells across several columns or rows
//! stay as they are drawn, which can be read as well.

use super::Writer;
use super::lines::{is_blank, paragraph_end};
use std::ops::Range;

/// Cells of one row, each as its lines.
type Row = Vec<String>;

struct Table {
    head: Vec<Row>,
    body: Vec<Row>,
}

impl Writer {
    pub(super) fn table(&mut self, lines: &[&str], _depth: usize) -> Option<usize> {
        let (end, read) = match () {
            () if is_grid_line(lines[0]) => {
                let end = paragraph_end(lines);
                (end, grid(&lines[..end]))
            }
            () if columns(lines[0]).is_some_and(|columns| columns.len() > 1) => {
                let end = simple_end(lines)?;
                (end, simple(&lines[..end]))
            }
            () => return None,
        };
        match read {
            Some(table) => self.write_table(&table),
            None => self.literal(&lines[..end], None),
        }
        Some(end)
    }

    fn write_table(&mut self, table: &Table) {
        self.out.push_str("<table>\n");
        for (section, cell, rows) in [("thead", "th", &table.head), ("tbody", "td", &table.body)] {
            if rows.is_empty() {
                continue;
            }
            self.tagged(section, |writer| {
                for row in rows {
                    writer.tagged("tr", |writer| row.iter().for_each(|text| writer.tagged(cell, |writer| writer.inline(text))));
                }
            });
        }
        self.out.push_str("</table>\n");
    }
}

/// Whether a line is one of `+---+` or `+===+`.
fn is_grid_line(line: &str) -> bool {
    line.len() > 2 && line.starts_with('+') && line.ends_with('+') && line.bytes().all(|b| b"+-=".contains(&b))
}

fn grid(lines: &[&str]) -> Option<Table> {
    let places = |line: &str| line.char_indices().filter(|(_, c)| *c == '+').map(|(at, _)| at).collect::<Vec<_>>();
    let borders = places(lines[0]);
    let mut table = Table { head: Vec::new(), body: Vec::new() };
    let mut row: Vec<Vec<String>> = Vec::new();
    for line in &lines[1..] {
        if is_grid_line(line) {
            if places(line) != borders || row.is_empty() {
                return None;
            }
            table.body.push(row.drain(..).map(|cell| cell.join("\n").trim().to_owned()).collect());
            if line.contains('=') {
                if !table.head.is_empty() {
                    return None;
                }
                table.head.append(&mut table.body);
            }
            continue;
        }
        let chars: Vec<char> = line.chars().collect();
        let is_drawn = borders.iter().all(|at| chars.get(*at) == Some(&'|')) && chars.len() == borders.last()? + 1;
        if !is_drawn {
            return None;
        }
        row.resize(borders.len() - 1, Vec::new());
        for (cell, sides) in row.iter_mut().zip(borders.windows(2)) {
            cell.push(chars[sides[0] + 1..sides[1]].iter().collect::<String>().trim().to_owned());
        }
    }
    row.is_empty().then_some(table)
}

/// The columns of a border: `===  =====` has two. Cells of the last one may be longer.
fn columns(line: &str) -> Option<Vec<Range<usize>>> {
    if !line.starts_with("==") || !line.bytes().all(|b| matches!(b, b'=' | b' ')) {
        return None;
    }
    let mut columns: Vec<Range<usize>> = Vec::new();
    for (at, _) in line.match_indices('=') {
        match columns.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => columns.push(at..at + 1),
        }
    }
    if let Some(last) = columns.last_mut() {
        last.end = usize::MAX;
    }
    Some(columns)
}

/// Lines of a table that is drawn with borders of columns. Where none ends, each border looks for an end this far.
const SIMPLE_LINES_MAX: usize = 1000;

/// How many lines the table is: to a border with a blank line or nothing behind it.
fn simple_end(lines: &[&str]) -> Option<usize> {
    let is_end = |at: usize| columns(lines[at]).is_some() && lines.get(at + 1).is_none_or(|next| is_blank(next));
    (1..lines.len().min(SIMPLE_LINES_MAX)).find(|at| is_end(*at)).map(|at| at + 1)
}

fn simple(lines: &[&str]) -> Option<Table> {
    let borders = columns(lines[0])?;
    let mut table = Table { head: Vec::new(), body: Vec::new() };
    for line in lines[1..lines.len() - 1].iter().filter(|line| !is_blank(line)) {
        if columns(line).is_some_and(|found| found == borders) {
            if !table.head.is_empty() {
                return None;
            }
            table.head.append(&mut table.body);
            continue;
        }
        let cells = cells(line, &borders)?;
        match table.body.last_mut() {
            // A row whose first cell is empty goes on with the row before it.
            Some(row) if cells[0].is_empty() => {
                row.iter_mut().zip(&cells).filter(|(_, more)| !more.is_empty()).for_each(|(cell, more)| {
                    cell.push('\n');
                    cell.push_str(more);
                })
            }
            _ => table.body.push(cells),
        }
    }
    Some(table)
}

/// The texts in the columns of a line; `None` if something stands between two columns.
fn cells(line: &str, borders: &[Range<usize>]) -> Option<Row> {
    let chars: Vec<char> = line.chars().collect();
    let within = |range: &Range<usize>| chars.iter().skip(range.start).take(range.end - range.start).collect::<String>();
    let gaps = borders.windows(2).map(|two| two[0].end..two[1].start);
    let is_clear = gaps.clone().all(|gap| within(&gap).trim().is_empty());
    // A row of dashes joins columns.
    let is_span = line.bytes().all(|b| matches!(b, b'-' | b' '));
    (is_clear && !is_span).then(|| borders.iter().map(|range| within(range).trim().to_owned()).collect())
}
