//! Searching with a pattern, in bounded time.
//!
//! The engine of the `regex` crate never backtracks, but its time is the number of states times the length of the text,
//! and for all matches of some patterns the square of that length: minutes for a text of a megabyte. It cannot be
//! interrupted. So it is asked alone only where the product is small; otherwise its lazy automaton searches, which
//! says how far it went, and the sum over a call is limited.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use regex_automata::hybrid::{self, dfa};
use regex_automata::nfa::thompson;
use regex_automata::util::{captures::Captures, iter::Searcher};
use regex_automata::{Anchored, Input, Match, MatchError, MatchKind, meta};

use super::{Fallible, exceeded, fail_with, quote};

/// Length of a pattern's text, in bytes.
const PATTERN_BYTES: usize = 8 << 10;
/// Size of a pattern's automaton, in bytes.
const NFA_BYTES: usize = 1 << 20;
/// States times groups: the engine reserves memory for their product.
const SLOTS: usize = 1 << 17;
/// Memory of a lazy automaton, in bytes. One that outgrows it a few times gives up.
const DFA_BYTES: usize = 1 << 20;
/// Patterns that are kept compiled.
const CACHED: usize = 32;
/// Work up to which the engine is left alone: states times the square of the text's length.
const SMALL_WORK: u64 = 1 << 26;
/// Work of one call: bytes passed by the lazy automaton, and bytes times states where the engine had to do without.
/// A second or two.
const WORK: u64 = 1 << 29;

/// A compiled pattern.
pub(super) struct Pattern {
    source: String,
    pub(super) engine: meta::Regex,
    nfa: thompson::NFA,
    lazy: OnceLock<Option<hybrid::regex::Regex>>,
}

impl Pattern {
    /// The pattern, from the cache if it was used lately.
    pub(super) fn new(source: &str) -> Fallible<Arc<Self>> {
        static CACHE: Mutex<Vec<Arc<Pattern>>> = Mutex::new(Vec::new());
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = cache.iter().position(|pattern| pattern.source == source) {
            // The one used last stands last.
            cache.get_mut(at..).unwrap_or_default().rotate_left(1);
            return cache.last().cloned().ok_or_else(too_complex);
        }
        drop(cache);
        let pattern = Arc::new(Self::compile(source)?);
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED {
            cache.remove(0);
        }
        cache.push(Arc::clone(&pattern));
        Ok(pattern)
    }

    fn compile(source: &str) -> Fallible<Self> {
        if source.len() > PATTERN_BYTES {
            return Err(too_complex());
        }
        let invalid = |syntax: Option<&dyn std::error::Error>| match syntax {
            // The last line says what is wrong; those before it draw the pattern.
            Some(error) => {
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                fail_with(format!("{} is not a pattern: {reason}", quote(source)), SYNTAX)
            }
            None => too_complex(),
        };
        let nfa = thompson::Compiler::new()
            .configure(thompson_config(false))
            .build(source)
            .map_err(|error| invalid(std::error::Error::source(&error)))?;
        let config = meta::Config::new()
            .nfa_size_limit(Some(NFA_BYTES))
            .onepass_size_limit(Some(NFA_BYTES / 4))
            .hybrid_cache_capacity(DFA_BYTES / 2);
        let engine = meta::Builder::new().configure(config).build(source).map_err(|_| too_complex())?;
        if nfa.states().len().saturating_mul(2 * engine.captures_len()) > SLOTS {
            return Err(too_complex());
        }
        Ok(Self { source: source.to_owned(), engine, nfa, lazy: OnceLock::new() })
    }

    /// The lazy automaton, if the pattern has one.
    fn lazy(&self) -> Option<&hybrid::regex::Regex> {
        let build = || {
            let config = dfa::Config::new()
                .unicode_word_boundary(true)
                .cache_capacity(DFA_BYTES)
                .skip_cache_capacity_check(true)
                .minimum_cache_clear_count(Some(3));
            let forward = dfa::Builder::new().configure(config.clone()).build_from_nfa(self.nfa.clone()).ok()?;
            let reverse = dfa::Builder::new()
                .configure(config.match_kind(MatchKind::All))
                .thompson(thompson_config(true))
                .build(&self.source)
                .ok()?;
            Some(hybrid::regex::Builder::new().build_from_dfas(forward, reverse))
        };
        self.lazy.get_or_init(build).as_ref()
    }

    fn states(&self) -> u64 {
        self.nfa.states().len() as u64
    }
}

fn thompson_config(reverse: bool) -> thompson::Config {
    thompson::Config::new()
        .nfa_size_limit(Some(NFA_BYTES))
        .which_captures(thompson::WhichCaptures::None)
        .reverse(reverse)
}

const SYNTAX: &str =
    "the syntax is that of the Rust crate regex; regex::escape(text) makes a pattern that matches text itself";

fn too_complex() -> Box<rhai::EvalAltResult> {
    exceeded(
        "the pattern is too large or too complex",
        "repeat less, and write [0-9] for \\d and [A-Za-z0-9_] for \\w: those match all of Unicode",
    )
}

/// The matches of a pattern in a text, one after the other.
pub(super) struct Matches<'a> {
    pattern: &'a Pattern,
    searcher: Searcher<'a>,
    search: Search<'a>,
}

impl<'a> Matches<'a> {
    pub(super) fn new(pattern: &'a Pattern, text: &'a str) -> Self {
        let length = text.len() as u64;
        let is_small = length.saturating_mul(length).saturating_mul(pattern.states()) <= SMALL_WORK;
        let lazy = if is_small { None } else { pattern.lazy().map(|lazy| (lazy, lazy.create_cache())) };
        let search = Search { pattern, is_small, lazy, left: WORK };
        Self { pattern, searcher: Searcher::new(Input::new(text)), search }
    }

    /// The next match.
    pub(super) fn next(&mut self) -> Fallible<Option<Match>> {
        let search = &mut self.search;
        self.searcher.try_advance(|input| search.find(input)).map_err(|_| {
            exceeded(
                "the pattern takes too long on a text of this length",
                "search line by line, or write a simpler pattern; for \\b in a text that is not ASCII, (?-u:\\b)",
            )
        })
    }

    /// The groups of a match that [`next`](Self::next) returned.
    pub(super) fn groups(&mut self, found: Match, groups: &mut Captures) -> Fallible<()> {
        let text = self.searcher.input().haystack();
        // INVARIANT: anchored at its start, and with the same text around it, the same match is found again.
        let input = Input::new(text).range(found.range()).anchored(Anchored::Yes);
        self.search.charge(&input).map_err(|_| too_complex())?;
        self.pattern.engine.search_captures(&input, groups);
        Ok(())
    }
}

/// One search after the other, within the work of a call.
struct Search<'a> {
    pattern: &'a Pattern,
    is_small: bool,
    lazy: Option<(&'a hybrid::regex::Regex, hybrid::regex::Cache)>,
    left: u64,
}

impl Search<'_> {
    fn find(&mut self, input: &Input<'_>) -> Result<Option<Match>, MatchError> {
        if let Some((lazy, cache)) = &mut self.lazy {
            let before = progress(cache);
            let result = lazy.try_search(cache, input);
            let after = progress(cache);
            // An automaton that started anew in between, at most a few times, forgot how far it went.
            let passed = if before.0 == after.0 { after.1.abs_diff(before.1) } else { input.get_span().len() };
            self.take(passed as u64, input)?;
            if let Ok(found) = result {
                return Ok(found);
            }
        }
        self.charge(input)?;
        Ok(self.pattern.engine.search(input))
    }

    /// Counts what the engine may do on an input.
    fn charge(&mut self, input: &Input<'_>) -> Result<(), MatchError> {
        if self.is_small {
            return Ok(());
        }
        self.take((input.get_span().len() as u64).saturating_mul(self.pattern.states()), input)
    }

    fn take(&mut self, work: u64, input: &Input<'_>) -> Result<(), MatchError> {
        self.left = self.left.checked_sub(work).ok_or_else(|| MatchError::gave_up(input.start()))?;
        Ok(())
    }
}

/// How often the two automata started anew, and how far they went since.
fn progress(cache: &mut hybrid::regex::Cache) -> (usize, usize) {
    let (forward, reverse) = cache.as_parts();
    (forward.clear_count() + reverse.clear_count(), forward.search_total_len() + reverse.search_total_len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans of all matches, by both ways, and by the crate `regex`.
    fn check(pattern: &str, text: &str) {
        let expected: Vec<_> = regex::Regex::new(pattern)
            .unwrap()
            .captures_iter(text)
            .map(|found| (0..found.len()).map(|at| found.get(at).map(|group| group.range())).collect::<Vec<_>>())
            .collect();
        let pattern = Pattern::compile(pattern).unwrap();
        for is_small in [true, false] {
            let mut matches = Matches::new(&pattern, text);
            matches.search.is_small = is_small;
            matches.search.lazy = if is_small { None } else { pattern.lazy().map(|lazy| (lazy, lazy.create_cache())) };
            let mut groups = pattern.engine.create_captures();
            let mut actual = Vec::new();
            while let Some(found) = matches.next().unwrap() {
                matches.groups(found, &mut groups).unwrap();
                actual.push(groups.iter().map(|group| group.map(|span| span.range())).collect::<Vec<_>>());
            }
            assert_eq!(actual, expected, "{} on {text:?}, small: {is_small}", pattern.source);
        }
    }

    #[test]
    fn both_ways_find_what_the_crate_regex_finds() {
        let patterns = [
            "",
            "a",
            "a*",
            "a*?",
            "a|ab",
            "(a|ab)(c|bcd)?",
            "^a",
            "a$",
            "(?m)^.*$",
            r"\b",
            r"\b\w+\b",
            r"\B",
            "é*",
            ".",
            "(?s).",
            r"(\d+)-(?:x|(y))",
            "(?i)É",
            "(a*)*",
            "(a|b)*?b",
            r"\bab?\b$",
            "x?",
            "[^a]*",
            "(?-u:\\b)a",
            "$",
        ];
        let texts = [
            "",
            "a",
            "ab",
            "aaa",
            "abcd abc",
            "é",
            "aéa",
            "éa É",
            "12-x 3-y 4-z",
            "a\nb\n\nab",
            "\n",
            "bab ab b",
            "日本 a 語",
            "xxaxx",
            " a b ",
            "a-ab",
            "ba\u{301}b",
        ];
        for pattern in patterns {
            for text in texts {
                check(pattern, text);
            }
        }
    }

    #[test]
    fn bombs_end_with_a_limit_or_in_time() {
        let start = std::time::Instant::now();
        let binary: String = (0..2_000_000_u64)
            .map(|at| if at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40 & 1 == 0 { '0' } else { '1' })
            .collect();
        let letters = "A".repeat(2_000_000);
        let bombs = [
            (".*[^A-Z]|[A-Z]", &letters, false),
            ("[01]*1[01]{1000}x", &binary, false),
            ("(?:[01]*1[01]{1000}|.)*", &binary, false),
            ("((.|.|.|.|.|.|.|.){1,500})*", &binary, false),
            ("(a+)+$", &letters, true),
            ("(A+)+b", &letters, true),
        ];
        for (source, text, finishes) in bombs {
            let pattern = Pattern::compile(source).unwrap();
            let mut matches = Matches::new(&pattern, text);
            let mut groups = pattern.engine.create_captures();
            let result: Fallible<()> = (|| {
                while let Some(found) = matches.next()? {
                    matches.groups(found, &mut groups)?;
                }
                Ok(())
            })();
            assert_eq!(result.is_ok(), finishes, "{source}");
        }
        // Each alone would take minutes, the first about an hour.
        assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    }

    #[test]
    fn patterns_are_limited_and_cached() {
        for source in [
            "a{1000}{1000}".to_owned(),
            r"\w{1,64}@\w{1,64}".repeat(2),
            "(".repeat(4_000),
            "()".repeat(4_000),
            "x".repeat(PATTERN_BYTES + 1),
            format!("{}{}", "(a|b)".repeat(1_000), "[0-9]"),
        ] {
            assert!(Pattern::compile(&source).is_err(), "{}", quote(&source));
        }
        let first = Pattern::new("cached").unwrap();
        for at in 0..CACHED * 2 {
            Pattern::new(&format!("x{at}")).unwrap();
            assert!(Arc::ptr_eq(&first, &Pattern::new("cached").unwrap()), "the one in use stays");
        }
        assert!(Arc::strong_count(&first) == 2);
    }
}
