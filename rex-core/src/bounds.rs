//! Fixed bounds. A limit can be set for a run; these cannot, because nobody needs more, or because the operating system has the same
//! bound. Scripts can reach them, so each is documented.

use crate::{Code, Error};

macro_rules! bounds {
    ($($(#[doc = $doc:literal])* $name:ident $text:literal = $value:expr,)*) => {
        $($(#[doc = $doc])* pub const $name: usize = $value;)*

        /// The name, the value and the meaning of each bound.
        pub const TABLE: &[(&str, usize, &str)] = &[$(($text, $value, concat!($($doc),*).trim_ascii()),)*];
    };
}

bounds! {
    /// Arguments and environment of a program that `process::run` starts, together, in bytes.
    PROGRAM_WORDS_BYTES "program_words_bytes" = 128 << 10,
    /// The id and the facts of one request, together, in bytes; what is longer is denied, and its record has the beginning of each text.
    REQUEST_BYTES "request_bytes" = 1 << 20,
    /// A line that `fs::grep` searches, or that `fs::tail` waits for, in bytes.
    LINE_BYTES "line_bytes" = 1 << 20,
    /// A pattern of `fs::grep` and of `regex::`, in bytes.
    PATTERN_BYTES "pattern_bytes" = 8 << 10,
    /// A pattern of `fs::replace`, and the `until` of `fs::tail`, in bytes.
    REPLACE_PATTERN_BYTES "replace_pattern_bytes" = 4 << 10,
    /// A glob of `fs::find`, in bytes.
    GLOB_BYTES "glob_bytes" = 1 << 10,
    /// A path, in bytes; the kernel's own bound.
    PATH_BYTES "path_bytes" = 4095,
    /// A name in a directory, in bytes; the file systems' own bound.
    NAME_BYTES "name_bytes" = 255,
    /// Symbolic links on the way to one file; the kernel's own bound.
    LINKS "links" = 40,
    /// An extended attribute, in bytes; the kernel's own bound.
    ATTRIBUTE_BYTES "attribute_bytes" = 64 << 10,
    /// Libraries, and sections, that `fs::elf` tells; its result says `truncated`.
    ELF_PARTS "elf_parts" = 4096,
    /// The `diff` that `fs::replace` returns, in bytes; a longer one is `()`.
    REPLACE_DIFF_BYTES "replace_diff_bytes" = 64 << 10,
    /// Entries that a walk skipped and that its result lists one by one; further ones are grouped by reason, with a `count`.
    SKIPPED "skipped" = 1_000,
    /// The headers of one entry of an archive, in bytes.
    ARCHIVE_HEADER_BYTES "archive_header_bytes" = 1 << 20,
    /// The headers of an answer to `net::get` and its like, in bytes.
    HTTP_HEADER_BYTES "http_header_bytes" = 64 << 10,
    /// A URL that is fetched, in bytes.
    URL_BYTES "url_bytes" = 8 << 10,
    /// One text of the kernel about a process, such as its environment, in bytes.
    PROCESS_TEXT_BYTES "process_text_bytes" = 8 << 20,
    /// A text that one call of a pure function such as `json::encode` may build, in bytes.
    PURE_TEXT_BYTES "pure_text_bytes" = 64 << 20,
    /// Lists and maps that one call of a pure function may build, together, in bytes.
    PURE_VALUE_BYTES "pure_value_bytes" = 128 << 20,
    /// Matches or parts that one call of a pure function may return.
    PURE_ENTRIES "pure_entries" = 100_000,
    /// Lists and maps within one another, in values, JSON, YAML, TOML.
    VALUE_DEPTH "value_depth" = 127,
    /// A time, duration or format that `time::` reads, in bytes.
    TIME_TEXT_BYTES "time_text_bytes" = 256,
    /// A URL that `url::` takes apart, in bytes.
    PURE_URL_BYTES "pure_url_bytes" = 64 << 10,
    /// Random bytes that one call of `random::` gives.
    RANDOM_BYTES "random_bytes" = 1 << 10,
    /// Expressions within one another at the top of a script.
    EXPRESSION_DEPTH "expression_depth" = 64,
    /// Expressions within one another in a function of a script.
    FUNCTION_EXPRESSION_DEPTH "function_expression_depth" = 32,
    /// Functions that a script defines.
    FUNCTIONS "functions" = 1_000,
    /// Variables that a script has at a time.
    VARIABLES "variables" = 10_000,
}

/// Creates the error for an exceeded bound: it says which one, and what to do instead.
#[must_use]
pub fn exceeded(name: &str, what: &str, instead: &str) -> Error {
    let value = TABLE.iter().find(|(known, ..)| *known == name).map_or(0, |(_, value, _)| *value);
    Error::new(Code::LimitExceeded, format!("the limit `{name}` of {value} {what} is exceeded"))
        .with_help(format!("this limit is fixed: {instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn every_bound_has_a_name_of_its_own() {
        let mut names: Vec<_> = TABLE.iter().map(|(name, ..)| *name).collect();
        names.extend(Limits::TABLE.iter().map(|(name, ..)| *name));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(TABLE.iter().all(|(_, value, doc)| *value > 0 && doc.ends_with('.')));
    }

    #[test]
    fn an_error_names_the_bound_and_what_to_do() {
        let error = exceeded("program_words_bytes", "bytes of arguments and environment", "pass a file");
        let message = "the limit `program_words_bytes` of 131072 bytes of arguments and environment is exceeded";
        assert_eq!(
            (error.message.as_str(), error.help.as_deref()),
            (message, Some("this limit is fixed: pass a file"))
        );
    }
}
