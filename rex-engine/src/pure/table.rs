//! Tables of text: aligned for people to read, and parsed; counts of values.

use std::collections::BTreeSet;

use rhai::{Array, Dynamic, Map};

use super::rows::known;
use super::{CallBudget, PureResult, TEXT_BYTES, VALUE_BYTES, fail, fail_with, json, printable, quote, unmarked};

functions! { "table";
    /// A list of maps as aligned text, with a line of column names first: all keys, in the order of the alphabet.
    format(rows: &mut Array) -> "text" = |rows: &mut Array| format(rows, None);
    /// The same with these columns in this order, each of which some map has. Columns of numbers are aligned to the right, widths are counted in characters.
    format(rows: &mut Array, columns: Array) -> "text" = |rows: &mut Array, columns: Array| format(rows, Some(&columns));
    /// The lines of a table whose first line names the columns, as maps of text. Blanks separate; the last column takes the rest of its line.
    parse(text: &str) -> "list of maps" = |text: &str| parse(text, None);
    /// The same with a separator, such as `,` or `|`. Quotes mean nothing.
    parse(text: &str, separator: &str) -> "list of maps" = |text: &str, separator: &str| parse(text, Some(separator));
    /// The number of times that each value of a list occurs.
    count_by(values: &mut Array) -> "map of counts" = count_by;
    /// The largest counts of a map, as maps of `key` and `count`; equal ones in the order of their keys.
    top(counts: &mut Map, n: i64) -> "list of maps" = top;
}

/// One column: its name, and its cells from top to bottom.
struct Column {
    name: String,
    cells: Vec<String>,
    width: usize,
    is_numeric: bool,
}

fn format(rows: &Array, columns: Option<&Array>) -> PureResult<String> {
    let budget = CallBudget::new(TEXT_BYTES);
    let names = match columns {
        Some(columns) => columns.iter().map(|name| text_of(name, "a column's name")).collect::<PureResult<Vec<_>>>()?,
        None => keys(rows)?,
    };
    names.iter().try_for_each(|name| known(rows, name))?;
    // Each cell is a separate text, so their memory is counted before any of them is made.
    budget.take(names.len().saturating_mul(rows.len().saturating_add(1)).saturating_mul(size_of::<String>()))?;
    let columns = names.iter().map(|name| column(rows, name, &budget)).collect::<PureResult<Vec<_>>>()?;
    let line_width = columns.iter().fold(0_usize, |sum, column| sum.saturating_add(column.width + 2));
    budget.take(line_width.saturating_mul(rows.len().saturating_add(1)))?;

    let mut output = String::new();
    for row in 0..=rows.len() {
        let line = output.len();
        for column in &columns {
            let cell = match row.checked_sub(1) {
                None => Some(&column.name),
                Some(row) => column.cells.get(row),
            };
            let cell = cell.map_or("", String::as_str);
            let blanks = std::iter::repeat_n(' ', column.width.saturating_sub(cell.chars().count()));
            if output.len() > line {
                output.push_str("  ");
            }
            match column.is_numeric {
                true => output.extend(blanks.chain(cell.chars())),
                false => output.extend(cell.chars().chain(blanks)),
            }
        }
        output.truncate(output.trim_end_matches(' ').len().max(line));
        output.push('\n');
    }
    output.pop();
    Ok(output)
}

/// Returns all keys of all rows.
fn keys(rows: &Array) -> PureResult<Vec<String>> {
    let mut keys = BTreeSet::<String>::new();
    for row in rows {
        for key in row.as_map_ref().map_err(|_| not_a_map())?.keys() {
            if !keys.contains(key.as_str()) {
                keys.insert(key.to_string());
            }
        }
    }
    Ok(keys.into_iter().collect())
}

fn column(rows: &Array, name: &str, budget: &CallBudget) -> PureResult<Column> {
    let mut cells = Vec::with_capacity(rows.len());
    let (mut width, mut filled, mut numeric) = (name.chars().count(), 0_usize, 0_usize);
    for row in rows {
        let row = row.as_map_ref().map_err(|_| not_a_map())?;
        let cell = match row.get(name).filter(|value| !value.is_unit()) {
            None => String::new(),
            Some(value) => {
                filled += 1;
                numeric += usize::from(value.is_int() || value.is_float());
                cell(value, budget)?
            }
        };
        width = width.max(cell.chars().count());
        cells.push(cell);
    }
    let name = escaped(name, budget)?;
    Ok(Column { width: width.max(name.chars().count()), name, cells, is_numeric: filled > 0 && filled == numeric })
}

/// Formats a value on one line: text unchanged, lists and maps as JSON.
fn cell(value: &Dynamic, budget: &CallBudget) -> PureResult<String> {
    if let Ok(text) = value.as_immutable_string_ref() {
        escaped(&text, budget)
    } else if value.is_array() || value.is_map() || value.is_blob() {
        escaped(&json::encode(value)?, budget)
    } else {
        text_of(value, "a cell")
    }
}

/// Escapes control characters, which would break the line, or do worse to a terminal.
fn escaped(text: &str, budget: &CallBudget) -> PureResult<String> {
    let escapes = text.chars().filter(|char| char.is_control()).count();
    budget.take(text.len().saturating_add(escapes.saturating_mul(8)))?;
    Ok(text.chars().flat_map(printable).collect())
}

/// Returns a text, or the text of a number, a character or a truth value.
pub(super) fn text_of(value: &Dynamic, what: &str) -> PureResult<String> {
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(text.to_string());
    }
    if value.is_int() || value.is_float() || value.is_bool() || value.is_char() {
        return Ok(value.to_string());
    }
    Err(fail(format!("{what} is neither text nor a number")))
}

pub(super) fn not_a_map() -> rex_core::Error {
    fail_with("a row is not a map", "rows are a list such as [#{name: \"a\", size: 1}]")
}

fn parse(text: &str, separator: Option<&str>) -> PureResult<Array> {
    const MAP_BYTES: usize = 512;
    const ENTRY_BYTES: usize = 160;
    if separator == Some("") {
        return Err(fail("the separator is empty"));
    }
    let mut lines = unmarked(text).lines().filter(|line| !line.trim().is_empty());
    let Some(header) = lines.next() else { return Ok(Array::new()) };
    let budget = CallBudget::new(VALUE_BYTES);
    let separators = separator.map_or(header.len() / 2, |separator| header.matches(separator).count());
    budget.take(separators.saturating_mul(size_of::<&str>()))?;
    let names = fields(header, separator, usize::MAX);
    named_once(names.iter().copied())?;
    let mut rows = Array::new();
    for line in lines {
        let names_bytes = names.iter().fold(0_usize, |sum, name| sum + name.len() + ENTRY_BYTES);
        budget.take(MAP_BYTES + names_bytes + line.len())?;
        let mut fields = fields(line, separator, names.len()).into_iter();
        let row: Map = names.iter().map(|name| ((*name).into(), fields.next().unwrap_or_default().into())).collect();
        rows.push(row.into());
    }
    Ok(rows)
}

/// Splits a line into fields, the last of which takes the rest.
fn fields<'a>(line: &'a str, separator: Option<&str>, most: usize) -> Vec<&'a str> {
    match separator {
        Some(separator) => line.splitn(most, separator).map(str::trim).collect(),
        None => {
            let (mut rest, mut fields) = (line.trim(), Vec::new());
            while let Some((field, after)) = rest.split_once(char::is_whitespace).filter(|_| fields.len() + 1 < most) {
                fields.push(field);
                rest = after.trim_start();
            }
            fields.push(rest);
            fields
        }
    }
}

fn count_by(values: &mut Array) -> PureResult<Map> {
    const ENTRY_BYTES: usize = 128;
    let budget = CallBudget::new(VALUE_BYTES);
    let mut counts = Map::new();
    for value in values.iter() {
        let key = text_of(value, "a value to count")?;
        let count = match counts.get(key.as_str()) {
            Some(count) => count.as_int().unwrap_or(0),
            None => {
                budget.take(ENTRY_BYTES + key.len())?;
                0
            }
        };
        counts.insert(key.into(), Dynamic::from_int(count.saturating_add(1)));
    }
    Ok(counts)
}

fn top(counts: &mut Map, n: i64) -> PureResult<Array> {
    const MAP_BYTES: usize = 640;
    let Ok(wanted) = usize::try_from(n) else { return Err(fail(format!("`{n}` is not a number of entries"))) };
    let budget = CallBudget::new(VALUE_BYTES);
    let mut entries = counts
        .iter()
        .map(|(key, count)| match count.as_int() {
            Ok(count) => Ok((count, key.as_str())),
            Err(_) => Err(fail(format!("the count of {} is not an integer", quote(key)))),
        })
        .collect::<PureResult<Vec<_>>>()?;
    // The sort is stable, and the map was ordered by key.
    entries.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    entries.truncate(wanted);
    budget.take(entries.len().saturating_mul(MAP_BYTES))?;
    let row = |(count, key): (i64, &str)| -> Dynamic {
        Map::from([("key".into(), key.into()), ("count".into(), count.into())]).into()
    };
    Ok(entries.into_iter().map(row).collect())
}

/// Checks that no two columns have one name: each is a key of the rows.
pub(super) fn named_once<'n>(mut names: impl Iterator<Item = &'n str>) -> PureResult<()> {
    let mut seen = BTreeSet::new();
    match names.find(|name| !seen.insert(*name)) {
        Some(twice) => Err(fail(format!("the column {} occurs twice in the first line", quote(twice)))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_fails, run, run_with, thrown};

    const LIMIT: &str = "LIMIT_EXCEEDED_EXCEPTION: the result would take more than 67108864 bytes";

    #[test]
    fn formats() {
        let rows = r#"[#{name: "é", size: 5, tags: ["x"]}, #{name: "longer", size: 1200, note: "a\tb"}]"#;
        check(
            &format!("table::format({rows})"),
            "name    note  size  tags\né                5  [\"x\"]\nlonger  a\\tb  1200",
        );
        check(&format!(r#"table::format({rows}, ["size", "name"])"#), "size  name\n   5  é\n1200  longer");
        check("table::format([])", "");
        check("table::format([#{a: 1}, #{a: 2.5}, #{a: ()}])", "  a\n  1\n2.5\n");
        check("table::format([#{a: 1}, #{a: `x`}])", "a\n1\nx");
        check("const X = [#{a: true}]; table::format(X)", "a\ntrue");
    }

    #[test]
    fn refuses_what_is_not_a_table() {
        check_fails("table::format([1])", "VALIDATION_EXCEPTION: a row is not a map");
        check_fails("table::format([1], [`a`])", "VALIDATION_EXCEPTION: a row is not a map");
        check_fails("table::format([], [[]])", "VALIDATION_EXCEPTION: a column's name is neither text nor a number");
        check_fails("table::format([#{a: |x| x}])", "VALIDATION_EXCEPTION: a cell is neither text nor a number");
    }

    #[test]
    fn large_tables_meet_the_limit() {
        let megabyte = "x".repeat(1 << 20);
        let wide = "let a = [#{a: text}]; for i in 0..100 { a.push(#{a: 1}); } table::format(a)";
        assert_eq!(thrown(run_with(&megabyte, wide)), LIMIT);
        let sparse = "let a = []; for i in 0..5000 { let m = #{}; m[`k${i}`] = 1; a.push(m); } table::format(a)";
        assert_eq!(thrown(run(sparse)), LIMIT);
        let long = format!("h\n{}", "x\n".repeat(250_000));
        assert_eq!(thrown(run_with(&long, "table::parse(text)")), LIMIT.replace("67108864", "134217728"));
    }

    #[test]
    fn parses() {
        check(
            r#"table::parse("  PID USER   CMD\n\n  1 root   /sbin/init -x\r\n 22 ann\n")"#,
            r#"[#{"CMD": "/sbin/init -x", "PID": "1", "USER": "root"}, #{"CMD": "", "PID": "22", "USER": "ann"}]"#,
        );
        check(r#"table::parse("a,b\n1, 2,3\n", ",")"#, r#"[#{"a": "1", "b": "2,3"}]"#);
        check(r#"table::parse("")"#, "[]");
        check(r#"table::parse("\uFEFFNAME X\nbob 1\n")"#, r#"[#{"NAME": "bob", "X": "1"}]"#);
        check(r#"table::parse("\uFEFFa,b\n1,2", ",")[0].a"#, "1");
        check(r#"table::parse("a b")"#, "[]");
        check(r#"let r = [#{a: "1", b: "x"}]; table::parse(table::format(r)) == r"#, "true");
        check_fails(r#"table::parse("a", "")"#, "VALIDATION_EXCEPTION: the separator is empty");
        check_fails(r#"table::parse("a b a")"#, "VALIDATION_EXCEPTION: the column `a` occurs twice in the first line");
    }

    #[test]
    fn counts() {
        check(r#"table::count_by(["b", "a", "b", 404, 404])"#, r#"#{"404": 2, "a": 1, "b": 2}"#);
        check("table::count_by([])", "#{}");
        check(r#"table::top(#{a: 1, c: 2, b: 2}, 2)"#, r#"[#{"count": 2, "key": "b"}, #{"count": 2, "key": "c"}]"#);
        check("table::top(#{a: 1}, 9223372036854775807).len()", "1");
        check("table::top(#{a: 1}, 0)", "[]");
        check_fails("table::top(#{a: 1}, -1)", "VALIDATION_EXCEPTION: `-1` is not a number of entries");
        check_fails("table::top(#{a: `x`}, 1)", "VALIDATION_EXCEPTION: the count of `a` is not an integer");
        check_fails("table::count_by([()])", "VALIDATION_EXCEPTION: a value to count is neither text nor a number");
    }
}
