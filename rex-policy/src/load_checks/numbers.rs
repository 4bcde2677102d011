//! Numbers that are written as octal, and read as decimal.

use super::CheckedPolicy;
use crate::finding::Severity;

/// Permission bits as people write them in octal, which mean other bits in decimal.
const MODES: &[u32] = &[
    400, 440, 444, 555, 600, 640, 644, 660, 664, 666, 700, 750, 755, 770, 775, 777, 1777, 2750, 2755, 2775, 4750, 4755,
];

/// Checks the numbers of a policy in their written form.
pub(super) fn check(look: &mut CheckedPolicy<'_>) {
    let Some((start, length)) = look.statement else { return };
    let Some(text) = look.file.text.text.get(start..start + length) else { return };
    let asks_mode = text.contains("context.mode");
    for number in numbers(text) {
        let octal = u32::from_str_radix(number, 8).ok();
        if number.len() > 1 && number.starts_with('0') && number.bytes().any(|digit| digit != b'0') {
            let message = format!(
                "`{number}` is the decimal number {}: a zero in front changes nothing",
                number.trim_start_matches('0')
            );
            let help = match octal {
                Some(octal) => format!("octal {number} is {octal} in decimal"),
                None => "leave the zero out".to_owned(),
            };
            look.add(Some("REX015"), Severity::Error, number, message, &help);
        } else if let Some(octal) =
            octal.filter(|_| asks_mode && number.parse().is_ok_and(|mode| MODES.contains(&mode)))
        {
            let bits = number.parse::<u32>().unwrap_or_default();
            let message = format!("`{number}` is decimal, the bits {bits:04o}");
            look.add(
                Some("REX015"),
                Severity::Warning,
                number,
                message,
                &format!("0{number} in octal is {octal} in decimal"),
            );
        }
    }
}

/// Returns the numbers of a policy outside of its strings, words and comments.
fn numbers(text: &str) -> Vec<&str> {
    let mut numbers = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                while let Some((_, c)) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '/' if chars.peek().is_some_and(|(_, next)| *next == '/') => {
                while chars.next_if(|(_, c)| *c != '\n').is_some() {}
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut end = at + c.len_utf8();
                while let Some((next, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() || *c == '_') {
                    end = next + c.len_utf8();
                }
                let word = text.get(at..end).unwrap_or_default();
                if word.bytes().all(|byte| byte.is_ascii_digit()) {
                    numbers.push(word);
                }
            }
            _ => {}
        }
    }
    numbers
}
