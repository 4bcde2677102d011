//! Unique names. Only the functions of this module return something else each time: their bytes come from the run's source,
//! which the host program can set.

use crate::active;

use super::{PureResult, fail_with};

functions! { "random";
    /// Random bytes as text in hexadecimal, two characters each: for names of files and the like, not for keys or passwords.
    hex(bytes: i64) -> "text" = hex;
    /// A random UUID (version 4) in lower case: for names of files and the like, not for keys or passwords.
    uuid() -> "text" = || Ok(uuid());
}

/// Maximum length in bytes, enough for any name.
const BYTES: usize = 1024;

fn hex(count: i64) -> PureResult<String> {
    let count = usize::try_from(count).ok().filter(|count| (1..=BYTES).contains(count));
    let Some(count) = count else {
        let message = format!("the number of bytes is not from 1 to {BYTES}");
        return Err(fail_with(message, "16 are enough for a name that no other has"));
    };
    let mut bytes = [0; BYTES];
    let bytes = bytes.get_mut(..count).unwrap_or_default();
    active::random(bytes);
    Ok(digits(bytes))
}

fn uuid() -> String {
    let mut bytes = [0; 16];
    active::random(&mut bytes);
    // The version, and the variant of RFC 9562.
    let bits = (u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62)) | (4 << 76) | (0b10 << 62);
    let mut text = digits(&bits.to_be_bytes());
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_fails, run};

    #[test]
    fn names_differ() {
        check("random::hex(5).len()", "10");
        check("random::hex(1024).len()", "2048");
        check("random::hex(16) == random::hex(16)", "false");
        check("random::uuid() == random::uuid()", "false");
        for _ in 0..64 {
            let uuid = run("random::uuid()").unwrap().to_string();
            let parts: Vec<_> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
            assert!(uuid.chars().all(|char| matches!(char, '0'..='9' | 'a'..='f' | '-')), "{uuid}");
            let at = |index| uuid.chars().nth(index).unwrap();
            assert!(at(14) == '4' && matches!(at(19), '8' | '9' | 'a' | 'b'), "{uuid}");
        }
    }

    #[test]
    fn every_byte_is_filled() {
        let hex = run("random::hex(1024)").unwrap().to_string();
        assert!(!hex.contains(&"0".repeat(12)), "{hex}");
    }

    #[test]
    fn no_name_is_that_long() {
        for count in ["0", "-1", "1025", "9223372036854775807"] {
            check_fails(
                &format!("random::hex({count})"),
                "VALIDATION_EXCEPTION: the number of bytes is not from 1 to 1024",
            );
        }
    }
}
