//! Charts made of block characters.

/// The characters of a block, from empty to full.
const UPWARDS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const SIDEWAYS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Draws a column for each count, in that many rows, the highest row first.
pub(crate) fn columns(counts: &[u64], rows: u64) -> Vec<String> {
    let most = counts.iter().copied().max().unwrap_or(0);
    let row = |row: u64| counts.iter().map(|count| block(&UPWARDS, eighths(*count, most, rows), row)).collect();
    (0..rows).rev().map(row).collect()
}

/// Draws a bar whose length is to `width` as `count` is to `most`.
pub(crate) fn bar(count: u64, most: u64, width: u64) -> String {
    let eighths = eighths(count, most, width);
    (0..width).map(|at| block(&SIDEWAYS, eighths, at)).collect()
}

/// Draws the columns in one row.
pub(crate) fn spark(counts: &[u64]) -> String {
    columns(counts, 1).pop().unwrap_or_default()
}

/// Returns the length of a count in eighths of a block; at least 1 unless the count is 0.
fn eighths(count: u64, most: u64, blocks: u64) -> u64 {
    let exact = u128::from(count) * u128::from(blocks * 8) / u128::from(most.max(1));
    u64::try_from(exact).unwrap_or(0).max(u64::from(count > 0))
}

fn block(parts: &[char; 9], eighths: u64, at: u64) -> char {
    let part = eighths.saturating_sub(at * 8).min(8);
    usize::try_from(part).ok().and_then(|part| parts.get(part)).copied().unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_long_as_they_should_be() {
        assert_eq!(columns(&[0, 1, 8, 16, 12], 2), ["   █▄", " ▁███"]);
        assert_eq!(spark(&[0, 1, 4, 1_000_000]), " ▁▁█");
        assert_eq!([bar(4, 4, 3), bar(1, 2, 3), bar(1, 10_000, 3), bar(0, 0, 3)], ["███", "█▌ ", "▏  ", "   "]);
        assert_eq!(columns(&[], 2), ["", ""]);
        assert_eq!(bar(u64::MAX, u64::MAX, 2), "██");
    }
}
