//! RECORD, a wheel's list of its own files (the recording-installed-packages specification): CSV of path, hash and size.

/// One line of RECORD. Hash and size are empty for RECORD itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecordLine {
    /// The path below the wheel's root.
    pub(super) path: Vec<u8>,
    /// The size as written; empty if it is not given.
    pub(super) size: Vec<u8>,
}

/// Reads RECORD as Python's `csv` module does; empty lines are left out.
pub(super) fn lines(record: &[u8]) -> impl Iterator<Item = RecordLine> {
    let mut rest = record;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let mut fields = take_row(&mut rest).into_iter();
            let path = fields.next().unwrap_or_default();
            if !path.is_empty() {
                return Some(RecordLine { path, size: fields.nth(1).unwrap_or_default() });
            }
        }
        None
    })
}

/// Takes the fields up to the end of the row. Inside quotes, commas and ends of lines are text, and `""` is one quote.
fn take_row(rest: &mut &[u8]) -> Vec<Vec<u8>> {
    let mut fields = vec![];
    let mut field = vec![];
    let mut quoted = false;
    while let Some((&byte, after)) = rest.split_first() {
        *rest = after;
        match byte {
            b'"' if quoted && after.first() == Some(&b'"') => {
                field.push(b'"');
                *rest = &after[1..];
            }
            b'"' => quoted = !quoted,
            b',' if !quoted => fields.push(std::mem::take(&mut field)),
            b'\r' | b'\n' if !quoted => break,
            byte => field.push(byte),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(record: &str) -> Vec<(String, String)> {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        lines(record.as_bytes()).map(|line| (text(line.path), text(line.size))).collect()
    }

    #[test]
    fn paths_and_sizes() {
        let record = "a.py,sha256=x,12\r\n\n\"b,\"\"c\"\".py\",,3\nd/RECORD,,\ne\n\"f\ng\",sha256=y,4";
        let wanted = [("a.py", "12"), ("b,\"c\".py", "3"), ("d/RECORD", ""), ("e", ""), ("f\ng", "4")];
        assert_eq!(read(record), wanted.map(|(path, size)| (path.to_owned(), size.to_owned())));
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(read(""), []);
        assert_eq!(read("\n,,\n\r\n"), []);
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(record in prop::collection::vec(prop::sample::select(b"\"\",\r\na1".to_vec()), 0..40)) {
            prop_assert!(lines(&record).count() <= record.len());
        }
    }
}
