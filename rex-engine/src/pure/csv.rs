//! Comma-separated values (RFC 4180).

use rhai::{Array, Dynamic, Map};

use super::rows::known;
use super::table::named_once;
use super::{CallBudget, PureResult, TEXT_BYTES, VALUE_BYTES, fail, fail_with, json, quote, unmarked};

functions! { "csv";
    /// The records of a text whose first one names the columns, as maps of text.
    parse(text: &str) -> "list of maps" = |text: &str| parse(text, ",");
    /// The same with another separator, one character of ASCII.
    parse(text: &str, separator: &str) -> "list of maps" = parse;
    /// A list of maps as a text whose first record names the columns, which are given in their order; some map has each.
    encode(rows: &mut Array, columns: Array) -> "text" = |rows: &mut Array, columns: Array| encode(rows, &columns);
}

/// Bytes that a cell and a row take in addition to the text, rounded up from what the allocator uses.
const CELL_BYTES: usize = 160;
const ROW_BYTES: usize = 512;

/// Bytes that a field of a record takes while it is read, in addition to its text.
const FIELD_BYTES: usize = 16;

fn parse(text: &str, separator: &str) -> PureResult<Array> {
    let &[separator] = separator.as_bytes() else {
        return Err(fail(format!("{} is not one character of ASCII", quote(separator))));
    };
    let wrong = |error: csv::Error| match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            fail(format!(
                "the text is not CSV: the record at line {line} has {len} fields, the first one {expected_len}"
            ))
        }
        _ => fail(format!("the text is not CSV: {}", quote(&error.to_string()))),
    };
    quotes(text, separator)?;
    let separators = text.bytes().filter(|byte| *byte == separator).count();
    CallBudget::new(VALUE_BYTES).take(separators.saturating_mul(FIELD_BYTES))?;
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(unmarked(text).as_bytes());
    let names = reader.headers().map_err(wrong)?.clone();
    named_once(names.iter())?;
    let budget = CallBudget::new(VALUE_BYTES);
    let mut rows = Array::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        budget.take(ROW_BYTES + record.len().saturating_mul(CELL_BYTES) + record.as_slice().len())?;
        let cells = names.iter().zip(record.iter());
        rows.push(cells.map(|(name, cell)| (name.into(), cell.into())).collect::<Map>().into());
    }
    Ok(rows)
}

/// Checks that each quoted field ends, and that nothing but a separator follows it. The reader would take the rest of the text for a part
/// of the field.
fn quotes(text: &str, separator: u8) -> PureResult<()> {
    #[derive(PartialEq)]
    enum FieldState {
        Start,
        Plain,
        Quoted,
        /// After a quote in a quoted field.
        Closed,
    }
    let (mut at, mut line, mut opened) = (FieldState::Start, 1_usize, 1);
    let wrong = |line: usize, why: &str| {
        let message = format!("the text is not CSV: in line {line}, {why}");
        Err(fail_with(message, "a quote in a quoted field is written twice; a field with a quote is quoted"))
    };
    for byte in unmarked(text).bytes() {
        at = match (at, byte) {
            (FieldState::Start, b'"') => {
                opened = line;
                FieldState::Quoted
            }
            (FieldState::Quoted, b'"') => FieldState::Closed,
            (FieldState::Quoted, _) | (FieldState::Closed, b'"') => FieldState::Quoted,
            (_, byte) if byte == separator || matches!(byte, b'\n' | b'\r') => FieldState::Start,
            (FieldState::Closed, _) => return wrong(line, "something follows the quote that ends a field"),
            (FieldState::Start | FieldState::Plain, _) => FieldState::Plain,
        };
        line += usize::from(byte == b'\n');
    }
    if at == FieldState::Quoted { wrong(opened, "a quoted field begins, and does not end") } else { Ok(()) }
}

fn encode(rows: &Array, columns: &Array) -> PureResult<String> {
    let budget = CallBudget::new(TEXT_BYTES);
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    let mut write = |cells: Vec<String>| {
        // Quotes are doubled; at worst all of the text is quotes.
        budget.take(cells.iter().map(|cell| 2 * cell.len() + 3).sum())?;
        writer.write_record(&cells).map_err(|error| fail(error.to_string()))
    };
    let names = columns.iter().map(text).collect::<PureResult<Vec<_>>>()?;
    names.iter().try_for_each(|name| known(rows, name))?;
    write(names.clone())?;
    for row in rows {
        let row =
            row.as_map_ref().map_err(|_| fail_with("a row is not a map", "`csv::encode` takes a list of maps"))?;
        let cell = |name: &String| row.get(name.as_str()).map_or(Ok(String::new()), text);
        write(names.iter().map(cell).collect::<PureResult<_>>()?)?;
    }
    let bytes = writer.into_inner().map_err(|error| fail(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| fail(error.to_string()))
}

/// Formats a value for one cell: text unchanged, `()` as an empty cell, anything else as JSON.
fn text(value: &Dynamic) -> PureResult<String> {
    match value.as_immutable_string_ref() {
        Ok(text) => Ok(text.to_string()),
        Err(_) if value.is_unit() => Ok(String::new()),
        Err(_) => json::encode(value),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_fails};

    #[test]
    fn what_is_not_well_formed_is_refused() {
        check_fails(
            r#"csv::parse("a,b\n1,\"x\n2,y\n")"#,
            "VALIDATION_EXCEPTION: the text is not CSV: in line 2, a quoted field begins, and does not end",
        );
        check_fails(
            r#"csv::parse("a,b\n1,\"x\"y\n")"#,
            "VALIDATION_EXCEPTION: the text is not CSV: in line 2, something follows the quote that ends a field",
        );
        check_fails(
            r#"csv::parse("a,b,a\n1,2,3\n")"#,
            "VALIDATION_EXCEPTION: the column `a` occurs twice in the first line",
        );
        check(r#"csv::parse("a\n5\" disk\n")[0].a"#, "5\" disk");
        check(r#"csv::parse("a,b\r\n\"x\"\"\",\"\"\r\n")[0]"#, r#"#{"a": "x\"", "b": ""}"#);
    }

    #[test]
    fn there_and_back() {
        check(
            r#"csv::parse("a,b\n1,\"x, \"\"y\"\"\nz\"\n,é\n")"#,
            r#"[#{"a": "1", "b": "x, \"y\"\nz"}, #{"a": "", "b": "é"}]"#,
        );
        check(r#"csv::parse("a;b\n1;2", ";")[0].b"#, "2");
        check(r#"csv::parse("")"#, "[]");
        check(r#"csv::parse("\uFEFFa,b\n1,2")[0].a"#, "1");
        check(r#"csv::parse("\uFEFF\"a\",b\n1,2")[0].a"#, "1");
        check(
            r#"csv::encode([#{a: 1, b: "x, \"y\""}, #{b: [1, ()]}], ["b", "a"])"#,
            "b,a\n\"x, \"\"y\"\"\",1\n\"[1,null]\",\n",
        );
        check(r#"let rows = [#{a: "x\ny", b: "\""}]; csv::parse(csv::encode(rows, ["a", "b"])) == rows"#, "true");
    }

    #[test]
    fn what_is_none_is_refused() {
        check_fails(
            r#"csv::parse("a,b\n1\n")"#,
            "VALIDATION_EXCEPTION: the text is not CSV: the record at line 2 has 1 fields, the first one 2",
        );
        check_fails(r#"csv::parse("a", ";;")"#, "VALIDATION_EXCEPTION: `;;` is not one character of ASCII");
        check_fails(r#"csv::encode([1], ["a"])"#, "VALIDATION_EXCEPTION: a row is not a map");
    }
}
