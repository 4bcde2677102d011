//! Lists of maps, such as operations, `csv` and `table` return: sorted, grouped, aggregated; and lists of numbers.
//!
//! Values are compared by their kind: numbers by their size, text by its characters. Texts that are all numbers, and have another
//! order as texts, are refused where they are sorted.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use rex_core::{Code, Error};
use rhai::{Array, Dynamic, ImmutableString, Map};

use super::json::{ENTRY_BYTES, ITEM_BYTES, LIST_BYTES, MAP_BYTES};
use super::table::{not_a_map, text_of};
use super::{CallBudget, DEPTH, PureResult, VALUE_BYTES, fail, fail_with, quote};
use crate::values::{compare, named};

functions! { "rows";
    /// The maps of a list in the order of what they have under a key: truth values, numbers, text. Equal ones keep their order, maps without it come last.
    sort_by(rows: &mut Array, key: &str) -> "list of maps" = |rows: &mut Array, key: &str| sort_by(rows, key, false);
    /// The same, the largest first.
    sort_by_desc(rows: &mut Array, key: &str) -> "list of maps" = |rows: &mut Array, key: &str| sort_by(rows, key, true);
    /// The maps of a list by what they have under a key, which is text or a number: lists of maps in their order.
    group_by(rows: &mut Array, key: &str) -> "map of lists" = group_by;
    /// The first map of each that have the same under a key.
    unique_by(rows: &mut Array, key: &str) -> "list of maps" = unique_by;
    /// The maps of a list with these keys only.
    select(rows: &mut Array, keys: Array) -> "list of maps" = |rows: &mut Array, keys: Array| select(rows, &keys);
    /// Each map of a list together with each map of another one that has the same under a key. Where both have another key, the first list counts.
    join(left: &mut Array, right: Array, key: &str) -> "list of maps" = |left: &mut Array, right: Array, key: &str| join(left, &right, key);
    /// The sum of a list of numbers, 0 if it is empty. Here and below, `()` in the list is left out.
    sum(numbers: &mut Array) -> "number" = |numbers: &mut Array| sum(numbers, None);
    /// The same of what maps have under a key. Here and below, maps without it are left out.
    sum(rows: &mut Array, key: &str) -> "number" = |rows: &mut Array, key: &str| sum(rows, Some(key));
    /// The mean of a list of numbers, `()` if there are none.
    mean(numbers: &mut Array) -> "float or ()" = |numbers: &mut Array| mean(numbers, None);
    /// The same of what maps have under a key.
    mean(rows: &mut Array, key: &str) -> "float or ()" = |rows: &mut Array, key: &str| mean(rows, Some(key));
    /// The smallest value of a list in the order of `sort_by`, `()` if there are none.
    min(values: &mut Array) -> "value" = |values: &mut Array| extreme(values, None, Ordering::Less);
    /// The same of what maps have under a key.
    min(rows: &mut Array, key: &str) -> "value" = |rows: &mut Array, key: &str| extreme(rows, Some(key), Ordering::Less);
    /// The largest value of a list in the order of `sort_by`, `()` if there are none.
    max(values: &mut Array) -> "value" = |values: &mut Array| extreme(values, None, Ordering::Greater);
    /// The same of what maps have under a key.
    max(rows: &mut Array, key: &str) -> "value" = |rows: &mut Array, key: &str| extreme(rows, Some(key), Ordering::Greater);
    /// The number below which `percent` of a list of numbers lie, between two of them if need be: 50 is the median. `()` if there are none.
    percentile(numbers: &mut Array, percent: Dynamic) -> "float or ()" = |numbers: &mut Array, percent: Dynamic| percentile(numbers, None, &percent);
    /// The same of what maps have under a key.
    percentile(rows: &mut Array, key: &str, percent: Dynamic) -> "float or ()" = |rows: &mut Array, key: &str, percent: Dynamic| percentile(rows, Some(key), &percent);
}

/// A key's value in the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum SortKey {
    Bool(bool),
    Number(KeyNumber),
    Text(ImmutableString),
}

#[derive(Debug, Clone, Copy)]
enum KeyNumber {
    Int(i64),
    Float(f64),
}

impl KeyNumber {
    fn of(value: &Dynamic) -> Option<Self> {
        value.as_int().map(Self::Int).or_else(|_| value.as_float().map(Self::Float)).ok()
    }

    fn float(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "what is asked for is a FLOAT")]
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }
}

impl Ord for KeyNumber {
    /// Compares by size, exactly, so that it is an order even where a FLOAT cannot represent each integer; NaN comes last.
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = match (*self, *other) {
            (Self::Int(a), Self::Int(b)) => return a.cmp(&b),
            (Self::Float(a), Self::Int(b)) => return int_and_float(b, a).reverse(),
            (Self::Int(a), Self::Float(b)) => return int_and_float(a, b),
            (Self::Float(a), Self::Float(b)) => (a, b),
        };
        a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    }
}

fn int_and_float(int: i64, float: f64) -> Ordering {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() || float >= END {
        Ordering::Less
    } else if float < -END {
        Ordering::Greater
    } else {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within the range of INT, and the fraction is looked at next"
        )]
        let whole = float.trunc() as i64;
        int.cmp(&whole).then_with(|| 0.0_f64.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal))
    }
}

impl PartialOrd for KeyNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for KeyNumber {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for KeyNumber {}

impl SortKey {
    fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a bool",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
        }
    }

    /// Returns the form in which a value is compared; none for `()`. Text counts as if it were copied, so that comparing takes no
    /// longer than that, however often one text occurs.
    fn of(value: &Dynamic, budget: &CallBudget) -> PureResult<Option<Self>> {
        budget.take(size_of::<Self>() + ITEM_BYTES)?;
        if let Some(number) = KeyNumber::of(value) {
            return Ok(Some(Self::Number(number)));
        }
        if let Ok(bool) = value.as_bool() {
            return Ok(Some(Self::Bool(bool)));
        }
        if value.is_string() || value.is_char() {
            let text: ImmutableString =
                value.clone().into_immutable_string().unwrap_or_else(|_| value.to_string().into());
            budget.take(text.len())?;
            return Ok(Some(Self::Text(text)));
        }
        if value.is_unit() {
            Ok(None)
        } else {
            Err(fail("a value to compare is neither text, a number nor a truth value"))
        }
    }
}

/// Passes to `take` what a map of a list has under a key, if it has something.
fn with_value<T>(row: &Dynamic, key: &str, take: impl FnOnce(Option<&Dynamic>) -> PureResult<T>) -> PureResult<T> {
    let row = row.as_map_ref().map_err(|_| not_a_map())?;
    take(row.get(key).filter(|value| !value.is_unit()))
}

fn key_of(row: &Dynamic, key: &str, budget: &CallBudget) -> PureResult<Option<SortKey>> {
    with_value(row, key, |value| value.map_or(Ok(None), |value| SortKey::of(value, budget)))
}

fn missing(key: &str) -> Error {
    let help = "leave such rows out first: rows.filter(|row| row[key] != ())";
    fail_with(format!("a row has no {}", quote(key)), help)
}

/// Checks that some row has a key: a key that no row has is a mistake.
pub(super) fn known(rows: &Array, key: &str) -> PureResult<()> {
    let has = |row: &Dynamic| row.as_map_ref().map_or(true, |row| row.contains_key(key));
    if rows.is_empty() || rows.iter().any(has) {
        return Ok(());
    }
    let keys = rows
        .first()
        .and_then(|row| row.as_map_ref().ok())
        .map(|row| row.keys().take(20).map(|key| quote(key)).collect::<Vec<_>>().join(", "));
    Err(fail_with(format!("no row has {}", quote(key)), format!("the first one has {}", keys.unwrap_or_default())))
}

/// Copies a value, after checking that it fits.
fn copy(value: &Dynamic, budget: &CallBudget) -> PureResult<Dynamic> {
    budget.take(ITEM_BYTES)?;
    weigh(value, budget, 0)?;
    Ok(value.clone())
}

/// Counts the bytes that a copy takes. Shared values are not copied, and neither is text.
fn weigh(value: &Dynamic, budget: &CallBudget, depth: usize) -> PureResult<()> {
    if value.is_shared() {
        return Ok(());
    }
    if depth > DEPTH {
        return Err(fail(format!("a row is nested deeper than {DEPTH} levels")));
    }
    if let Ok(list) = value.as_array_ref() {
        budget.take(LIST_BYTES + list.len().saturating_mul(ITEM_BYTES))?;
        list.iter().try_for_each(|item| weigh(item, budget, depth + 1))
    } else if let Ok(map) = value.as_map_ref() {
        budget.take(MAP_BYTES)?;
        map.iter().try_for_each(|(key, value)| {
            budget.take(ENTRY_BYTES + key.len())?;
            weigh(value, budget, depth + 1)
        })
    } else if let Ok(blob) = value.as_blob_ref() {
        budget.take(LIST_BYTES + blob.len())
    } else {
        Ok(())
    }
}

/// Checks that sorted texts are not numbers with another order, such as those of `csv::parse` and `table::parse`.
fn no_numbers_as_texts<'a>(keys: impl IntoIterator<Item = &'a SortKey>) -> PureResult<()> {
    let texts: Option<Vec<_>> =
        keys.into_iter().map(|key| if let SortKey::Text(text) = key { Some(text) } else { None }).collect();
    let fix = "make numbers of them first: `rows.map(|row| { row.n = parse_float(row.n); row })`, or `list.map(|x| parse_float(x))`";
    match compare::numbers_in_order(texts.unwrap_or_default().into_iter().map(|text| text.as_str()), fix) {
        Some(error) => Err(Error { code: Code::Validation, ..error }),
        None => Ok(()),
    }
}

fn sort_by(rows: &Array, key: &str, descends: bool) -> PureResult<Array> {
    let budget = CallBudget::new(VALUE_BYTES);
    known(rows, key)?;
    let mut keyed = rows.iter().map(|row| Ok((key_of(row, key, &budget)?, row))).collect::<PureResult<Vec<_>>>()?;
    // The sort is stable in both directions; rows without the key come last in both.
    match descends {
        false => keyed.sort_by(|(a, _), (b, _)| a.is_none().cmp(&b.is_none()).then_with(|| a.cmp(b))),
        true => keyed.sort_by(|(a, _), (b, _)| b.cmp(a)),
    }
    no_numbers_as_texts(keyed.iter().filter_map(|(key, _)| key.as_ref()))?;
    keyed.into_iter().map(|(_, row)| copy(row, &budget)).collect()
}

fn group_by(rows: &Array, key: &str) -> PureResult<Map> {
    let budget = CallBudget::new(VALUE_BYTES);
    let mut groups = BTreeMap::<String, Array>::new();
    for row in rows {
        let name = with_value(row, key, |value| text_of(value.ok_or_else(|| missing(key))?, "a value to group by"))?;
        budget.take(name.len())?;
        if !groups.contains_key(&name) {
            budget.take(ENTRY_BYTES + LIST_BYTES)?;
        }
        groups.entry(name).or_default().push(copy(row, &budget)?);
    }
    Ok(groups.into_iter().map(|(name, rows)| (name.into(), rows.into())).collect())
}

fn unique_by(rows: &Array, key: &str) -> PureResult<Array> {
    let (budget, mut seen, mut unique) = (CallBudget::new(VALUE_BYTES), BTreeSet::new(), Array::new());
    for row in rows {
        if seen.insert(key_of(row, key, &budget)?.ok_or_else(|| missing(key))?) {
            unique.push(copy(row, &budget)?);
        }
    }
    Ok(unique)
}

fn select(rows: &Array, keys: &Array) -> PureResult<Array> {
    let budget = CallBudget::new(VALUE_BYTES);
    let keys = keys.iter().map(|key| text_of(key, "a key")).collect::<PureResult<Vec<_>>>()?;
    keys.iter().try_for_each(|key| known(rows, key))?;
    let pick = |row: &Dynamic| -> PureResult<Dynamic> {
        let row = row.as_map_ref().map_err(|_| not_a_map())?;
        budget.take(MAP_BYTES + ITEM_BYTES)?;
        let mut picked = Map::new();
        for key in &keys {
            // A missing key takes time, if nothing else.
            budget.take(ENTRY_BYTES + key.len())?;
            if let Some(value) = row.get(key.as_str()) {
                picked.insert(key.as_str().into(), copy(value, &budget)?);
            }
        }
        Ok(picked.into())
    };
    rows.iter().map(pick).collect()
}

fn join(left: &Array, right: &Array, key: &str) -> PureResult<Array> {
    let budget = CallBudget::new(VALUE_BYTES);
    let mut partners = BTreeMap::<SortKey, Vec<&Dynamic>>::new();
    for row in right {
        if let Some(key) = key_of(row, key, &budget)? {
            partners.entry(key).or_default().push(row);
        }
    }
    // Keys are ordered by kind first.
    let only = match (partners.first_key_value(), partners.last_key_value()) {
        (Some((first, _)), Some((last, _))) if first.kind() == last.kind() => Some(first.kind()),
        _ => None,
    };
    let mut joined = Array::new();
    for row in left {
        let found = key_of(row, key, &budget)?;
        if let (Some(one), Some(other)) = (found.as_ref().map(SortKey::kind), only)
            && one != other
        {
            let message = format!("the {} of one list is {one}, that of the other is {other}", quote(key));
            return Err(fail_with(message, "make both the same: `parse_int(text)`, `x.to_string()`"));
        }
        let partners = found.and_then(|key| partners.get(&key));
        for partner in partners.into_iter().flatten() {
            let (Some(mut map), Some(more)) =
                (copy(row, &budget)?.try_cast::<Map>(), copy(partner, &budget)?.try_cast::<Map>())
            else {
                return Err(not_a_map());
            };
            for (key, value) in more {
                map.entry(key).or_insert(value);
            }
            joined.push(map.into());
        }
    }
    Ok(joined)
}

/// Returns the numbers of a list, or those of its maps under a key.
fn numbers(values: &Array, key: Option<&str>) -> PureResult<Vec<KeyNumber>> {
    key.map_or(Ok(()), |key| known(values, key))?;
    let budget = CallBudget::new(VALUE_BYTES);
    let number = |value: Option<&Dynamic>| {
        let help = "`parse_int` and `parse_float` make numbers of text";
        let Some(value) = value else { return Ok(None) };
        budget.take(size_of::<KeyNumber>())?;
        let number = KeyNumber::of(value).ok_or_else(|| match key {
            Some(key) => fail_with(format!("the {} of a row is not a number", quote(key)), help),
            None => fail_with("a value is not a number", help),
        });
        number.map(Some)
    };
    let all = values.iter().filter_map(|value| {
        match key {
            Some(key) => with_value(value, key, number),
            None => number(Some(value).filter(|value| !value.is_unit())),
        }
        .transpose()
    });
    all.collect()
}

fn sum(values: &Array, key: Option<&str>) -> PureResult<Dynamic> {
    let numbers = numbers(values, key)?;
    let (mut ints, mut floats, mut is_int) = (0_i128, 0.0, true);
    for number in numbers {
        match number {
            // INVARIANT: no list is long enough to overflow 128 bits.
            KeyNumber::Int(int) => ints += i128::from(int),
            KeyNumber::Float(float) => (floats, is_int) = (floats + float, false),
        }
    }
    if is_int {
        let int = i64::try_from(ints).map_err(|_| fail("the sum is larger than an INT can be"))?;
        return Ok(int.into());
    }
    #[expect(clippy::cast_precision_loss, reason = "a sum with a FLOAT in it is one")]
    Ok((ints as f64 + floats).into())
}

fn mean(values: &Array, key: Option<&str>) -> PureResult<Dynamic> {
    let numbers = numbers(values, key)?;
    if numbers.is_empty() {
        return Ok(Dynamic::UNIT);
    }
    #[expect(clippy::cast_precision_loss, reason = "a mean is a FLOAT")]
    let count = numbers.len() as f64;
    Ok((numbers.into_iter().map(KeyNumber::float).sum::<f64>() / count).into())
}

fn extreme(values: &Array, key: Option<&str>, wanted: Ordering) -> PureResult<Dynamic> {
    key.map_or(Ok(()), |key| known(values, key))?;
    let budget = CallBudget::new(VALUE_BYTES);
    let mut keyed = Vec::new();
    for value in values {
        let mut look = |value: Option<&Dynamic>| {
            let Some(value) = value else { return Ok(()) };
            keyed.extend(SortKey::of(value, &budget)?.map(|key| (key, value.clone())));
            Ok(())
        };
        match key {
            Some(key) => with_value(value, key, look)?,
            None => look(Some(value))?,
        }
    }
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    if let ([(first, one), ..], Some((last, other))) = (keyed.as_slice(), keyed.last())
        && first.kind() != last.kind()
    {
        let message = format!("{} and {} have no order", named(one), named(other));
        return Err(fail_with(message, "`parse_int` and `parse_float` make numbers of text"));
    }
    no_numbers_as_texts(keyed.iter().map(|(key, _)| key))?;
    // Of equal values, the first.
    let best = keyed.into_iter().reduce(|best, next| if next.0.cmp(&best.0) == wanted { next } else { best });
    Ok(best.map_or(Dynamic::UNIT, |(_, value)| value))
}

fn percentile(values: &Array, key: Option<&str>, percent: &Dynamic) -> PureResult<Dynamic> {
    let refuse = || fail(format!("{} is not a percentage from 0 to 100", quote(&percent.to_string())));
    let share = KeyNumber::of(percent)
        .map(KeyNumber::float)
        .filter(|share| (0.0..=100.0).contains(share))
        .ok_or_else(refuse)?;
    if share > 0.0 && share < 1.0 {
        return Err(fail_with(
            format!("{share} is less than one percent"),
            format!("a percentage goes up to 100: {}", share * 100.0),
        ));
    }
    let mut numbers = numbers(values, key)?;
    numbers.sort_unstable();
    let Some(last) = numbers.len().checked_sub(1) else { return Ok(Dynamic::UNIT) };
    #[expect(clippy::cast_precision_loss, reason = "no list is longer than 2^53")]
    let rank = last as f64 * share / 100.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank is an index and a fraction")]
    let index = rank.trunc() as usize;
    let at = |index: usize| numbers.get(index.min(last)).map_or(f64::NAN, |number| number.float());
    let (below, fraction) = (at(index), rank.fract());
    // Without a fraction the next number does not count, even if it is infinite.
    let value = if fraction == 0.0 { below } else { below * (1.0 - fraction) + at(index + 1) * fraction };
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{check, check_fails, run, run_with, thrown};
    use super::*;

    const ROWS: &str = r#"let r = [#{n: "b", s: 10}, #{n: "a", s: 9}, #{n: "c"}, #{n: "a", s: 2.5}, #{n: "b", s: 9}];"#;

    #[test]
    fn sorts() {
        check(
            &format!("{ROWS} rows::sort_by(r, `s`).map(|row| `${{row.n}}${{row.s}}`)"),
            r#"["a2.5", "a9", "b9", "b10", "c"]"#,
        );
        check(
            &format!("{ROWS} rows::sort_by_desc(r, `s`).map(|row| `${{row.n}}${{row.s}}`)"),
            r#"["b10", "a9", "b9", "a2.5", "c"]"#,
        );
        check(&format!("{ROWS} rows::sort_by(r, `n`).map(|row| row.n); r[0].n"), "b");
        check(
            "rows::sort_by([#{a: `b`}, #{a: 2}, #{a: true}, #{}, #{a: 'a'}, #{a: 1}], `a`)",
            r#"[#{"a": true}, #{"a": 1}, #{"a": 2}, #{"a": 'a'}, #{"a": "b"}, #{}]"#,
        );
        check("rows::sort_by([#{a: 0.0/0.0}, #{a: 1}, #{a: 1.0/0.0}], `a`).map(|row| row.a)", "[1, inf, NaN]");
        check("rows::sort_by([], `a`)", "[]");
        check("const X = [#{a: 2}, #{a: 1}]; rows::sort_by(X, `a`)[0].a", "1");
        check_fails("rows::sort_by([1], `a`)", "VALIDATION_EXCEPTION: a row is not a map");
        check_fails(
            "rows::sort_by([#{a: []}], `a`)",
            "VALIDATION_EXCEPTION: a value to compare is neither text, a number nor a truth value",
        );
    }

    #[test]
    fn groups_and_picks() {
        check(
            &format!("{ROWS} let g = rows::group_by(r, `n`); [g.keys(), g.values().map(|rows| rows.len())]"),
            r#"[["a", "b", "c"], [2, 2, 1]]"#,
        );
        check("rows::group_by([#{a: 1}, #{a: `1`}], `a`)", r##"#{"1": [#{"a": 1}, #{"a": "1"}]}"##);
        check(&format!("{ROWS} rows::unique_by(r, `n`).map(|row| row.s)"), "[10, 9, ()]");
        check("rows::unique_by([#{a: 1}, #{a: 1.0}, #{a: `1`}], `a`).len()", "2");
        check(&format!("{ROWS} rows::select(r, [`s`]).extract(0, 3)"), "[#{\"s\": 10}, #{\"s\": 9}, #{}]");
        check_fails(&format!("{ROWS} rows::group_by(r, `s`)"), "VALIDATION_EXCEPTION: a row has no `s`");
        check_fails(&format!("{ROWS} rows::unique_by(r, `s`)"), "VALIDATION_EXCEPTION: a row has no `s`");
        check_fails(
            "rows::group_by([#{a: []}], `a`)",
            "VALIDATION_EXCEPTION: a value to group by is neither text nor a number",
        );
        check_fails("rows::select([#{}], [()])", "VALIDATION_EXCEPTION: a key is neither text nor a number");
    }

    #[test]
    fn joins() {
        check(
            "rows::join([#{id: 1, a: `x`}, #{id: 2}, #{id: 1}, #{}], [#{id: 1.0, a: `y`, b: 1}, #{id: 1, b: 2}, #{id: 3}, #{}], `id`)",
            r#"[#{"a": "x", "b": 1, "id": 1}, #{"a": "x", "b": 2, "id": 1}, #{"a": "y", "b": 1, "id": 1}, #{"b": 2, "id": 1}]"#,
        );
        check_fails("rows::join([#{a: 1}], [2], `a`)", "VALIDATION_EXCEPTION: a row is not a map");
    }

    #[test]
    fn numbers_are_put_together() {
        check(
            &format!("{ROWS} [rows::sum(r, `s`), rows::mean(r, `s`), rows::min(r, `s`), rows::max(r, `s`)]"),
            "[30.5, 7.625, 2.5, 10]",
        );
        check(
            "[rows::sum([1, 2, ()]), rows::sum([]), rows::sum([1, 0.5]), rows::mean([1, 2]), rows::mean([])]",
            "[3, 0, 1.5, 1.5, ()]",
        );
        check(
            "[rows::min([2, 1, ()]), rows::max([`a`, `b`]), rows::max([]), rows::max([#{a: ()}], `a`)]",
            r#"[1, "b", (), ()]"#,
        );
        check("rows::sum([9223372036854775807, 1, -1])", "9223372036854775807");
        check_fails(
            "rows::sum([9223372036854775807, 1])",
            "VALIDATION_EXCEPTION: the sum is larger than an INT can be",
        );
        check_fails("rows::sum([`1`])", "VALIDATION_EXCEPTION: a value is not a number");
        check_fails("rows::mean([#{a: `1`}], `a`)", "VALIDATION_EXCEPTION: the `a` of a row is not a number");
    }

    #[test]
    fn a_key_that_no_row_has_is_no_key() {
        for call in [
            "sum(rows, `z`)",
            "mean(rows, `z`)",
            "max(rows, `z`)",
            "sort_by(rows, `z`)",
            "select(rows, [`z`])",
            "percentile(rows, `z`, 50)",
        ] {
            check_fails(&format!("let rows = [#{{a: 1}}]; rows::{call}"), "VALIDATION_EXCEPTION: no row has `z`");
        }
        check("rows::sum([], `z`)", "0");
    }

    #[test]
    fn percentiles() {
        for (percent, expected) in
            [("0", "1.0"), ("25", "2.0"), ("50", "3.0"), ("90", "8.0"), ("99.5", "9.9"), ("100", "10.0")]
        {
            check(&format!("rows::percentile([3, 10, 1, 2, 5], {percent})"), expected);
        }
        check("rows::percentile([1, 2], 50)", "1.5");
        check("rows::percentile([1.0/0.0, 1], 0)", "1.0");
        check("rows::percentile([#{ms: 7}, #{}], `ms`, 99)", "7.0");
        check("rows::percentile([], 50)", "");
        for percent in ["-1", "100.1", "(0.0/0.0)", "`50`"] {
            assert!(
                thrown(run(&format!("rows::percentile([1], {percent})")))
                    .ends_with("is not a percentage from 0 to 100")
            );
        }
    }

    #[test]
    fn large_results_meet_the_limit() {
        let limit = "LIMIT_EXCEEDED_EXCEPTION: the result would take more than 134217728 bytes";
        let many = "let m = #{k: 1}; for i in 0..200 { m[`x${i}`] = i; } let a = []; a.pad(10000, m);";
        for call in ["sort_by(a, `k`)", "group_by(a, `k`)", "join(a, a, `k`)", "select(a, m.keys())"] {
            assert_eq!(thrown(run(&format!("{many} rows::{call}"))), limit, "{call}");
        }
        // Comparing a text is work each time, even if it occurs often.
        let text = "x".repeat(1 << 20);
        for call in ["sort_by(a, `k`)", "unique_by(a, `k`)", "max(a, `k`)", "group_by(a, `k`)", "join(a, a, `k`)"] {
            let script = format!("let a = []; a.pad(1000, #{{k: text}}); rows::{call}");
            assert_eq!(thrown(run_with(&text, &script)), limit, "{call}");
        }
        let deep = "let a = []; for i in 0..200 { a = [a]; } rows::sort_by([#{k: 1, a: a}], `k`)";
        assert_eq!(thrown(run(deep)), "VALIDATION_EXCEPTION: a row is nested deeper than 127 levels");
    }

    fn number() -> impl Strategy<Value = KeyNumber> {
        let near = (-3_i64..=3).prop_map(|near| near + (1 << 53));
        prop_oneof![
            (-3_i64..=3).prop_map(KeyNumber::Int),
            near.clone().prop_map(KeyNumber::Int),
            near.prop_map(|near| KeyNumber::Float(near as f64)),
            any::<i64>().prop_map(KeyNumber::Int),
            any::<f64>().prop_map(KeyNumber::Float),
            prop_oneof![
                Just(f64::NAN),
                Just(-0.0),
                Just(0.5),
                Just(f64::INFINITY),
                Just(i64::MAX as f64),
                Just(i64::MIN as f64)
            ]
            .prop_map(KeyNumber::Float),
            prop_oneof![Just(i64::MAX), Just(i64::MIN)].prop_map(KeyNumber::Int),
        ]
    }

    proptest! {
        #[test]
        fn numbers_have_one_order(a in number(), b in number(), c in number()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
            if a == b {
                prop_assert_eq!(a.cmp(&c), b.cmp(&c));
            }
        }
    }
}
