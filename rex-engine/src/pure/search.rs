//! Searching with a pattern, in bounded time.
//!
//! The engine of the `regex` crate never backtracks, but its time is the number of states times the length of the text,
//! and for all matches of some patterns the square of that length: minutes for a text of a megabyte. It cannot be
//! interrupted. So it searches alone only where that is little; otherwise its lazy automaton does, which passes a
//! byte in constant time or gives up, and the clock is checked between two matches.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use regex_automata::hybrid::{self, dfa};
use regex_automata::nfa::thompson;
use regex_automata::util::{captures::Captures, iter::Searcher};
use regex_automata::{Anchored, Input, Match, MatchError, MatchKind, meta};

use super::{PureResult, exceeded, fail_with, quote};

/// Maximum length of a pattern's text, in bytes.
const PATTERN_BYTES: usize = 8 << 10;
/// Maximum size of a pattern's automaton, in bytes.
const NFA_BYTES: usize = 1 << 20;
/// Maximum number of states times groups: the engine reserves memory for their product.
const SLOTS: usize = 1 << 17;
/// Memory of a lazy automaton, in bytes. An automaton that outgrows it a few times gives up.
const DFA_BYTES: usize = 1 << 20;
/// Number of patterns that are kept compiled.
const CACHED: usize = 32;
/// Maximum work of all matches together for which the engine searches alone: states times the square of the text's length.
const SMALL_WORK: u64 = 1 << 26;
/// Maximum work of one match for which the engine replaces a lazy automaton that gave up: states times the text's length.
/// A second or two.
const WORK: u64 = 1 << 29;
/// Time after which one call finds no further match.
const TIME: Duration = Duration::from_secs(3);

/// A compiled pattern.
pub(super) struct RegexPattern {
    source: String,
    pub(super) engine: meta::Regex,
    nfa: thompson::NFA,
    states: usize,
    lazy: OnceLock<Option<hybrid::regex::Regex>>,
}

impl RegexPattern {
    /// Returns the pattern, from the cache if it was used recently.
    pub(super) fn new(source: &str) -> PureResult<Arc<Self>> {
        // INVARIANT: nothing is allocated while the lock is held: the allocator can park the thread of a run that is
        // over its limit, and the lock with it.
        static CACHE: Mutex<[Option<Arc<RegexPattern>>; CACHED]> = Mutex::new([const { None }; CACHED]);
        let cache = || CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut cache = cache();
            let is_it = |slot: &Option<Arc<Self>>| slot.as_ref().is_some_and(|pattern| pattern.source == source);
            if let Some(used) = cache.iter().position(is_it).and_then(|at| cache.get_mut(..=at)) {
                // The most recently used pattern comes first.
                used.rotate_right(1);
                if let Some(Some(pattern)) = used.first() {
                    return Ok(Arc::clone(pattern));
                }
            }
        }
        let pattern = Arc::new(Self::compile(source)?);
        let mut last = Some(Arc::clone(&pattern));
        {
            let mut cache = cache();
            cache.rotate_right(1);
            if let Some(first) = cache.first_mut() {
                std::mem::swap(first, &mut last);
            }
        }
        Ok(pattern)
    }

    fn compile(source: &str) -> PureResult<Self> {
        if source.len() > PATTERN_BYTES {
            return Err(too_complex());
        }
        let invalid = |syntax: Option<&dyn std::error::Error>| match syntax {
            // The last line says what is wrong; the lines before it draw the pattern.
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
        // This automaton has no groups; each group adds two states.
        let slots = 2 * engine.captures_len();
        let states = nfa.states().len() + slots;
        if states.saturating_mul(slots) > SLOTS {
            return Err(too_complex());
        }
        Ok(Self { source: source.to_owned(), engine, nfa, states, lazy: OnceLock::new() })
    }

    /// Returns the lazy automaton, if the pattern has one.
    fn lazy(&self) -> Option<&hybrid::regex::Regex> {
        if self.lazy.get().is_none() {
            // Built outside of the lock, for the reason above.
            let _ = self.lazy.set(self.build_lazy());
        }
        self.lazy.get()?.as_ref()
    }

    fn build_lazy(&self) -> Option<hybrid::regex::Regex> {
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
    }

    /// Returns the work of the engine for one match in a text of this length.
    fn work(&self, length: usize) -> u64 {
        (length as u64).saturating_mul(self.states as u64)
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

fn too_complex() -> rex_core::Error {
    exceeded(
        "the pattern is too large or too complex",
        "repeat less, and write [0-9] for \\d and [A-Za-z0-9_] for \\w: those match all of Unicode",
    )
}

/// The matches of a pattern in a text, one after the other.
pub(super) struct PatternMatches<'a> {
    pattern: &'a RegexPattern,
    searcher: Searcher<'a>,
    search: PatternSearch<'a>,
}

impl<'a> PatternMatches<'a> {
    pub(super) fn new(pattern: &'a RegexPattern, text: &'a str) -> Self {
        let is_small = pattern.work(text.len()).saturating_mul(text.len() as u64) <= SMALL_WORK;
        let lazy = if is_small { None } else { pattern.lazy().map(|lazy| (lazy, lazy.create_cache())) };
        let search = PatternSearch { pattern, is_small, lazy, start: Instant::now() };
        Self { pattern, searcher: Searcher::new(Input::new(text)), search }
    }

    /// Returns the next match.
    pub(super) fn next(&mut self) -> PureResult<Option<Match>> {
        let search = &mut self.search;
        self.searcher.try_advance(|input| search.find(input)).map_err(|_| too_slow())
    }

    /// Finds the groups of a match that [`next`](Self::next) returned.
    pub(super) fn groups(&mut self, found: Match, groups: &mut Captures) -> PureResult<()> {
        let text = self.searcher.input().haystack();
        // INVARIANT: anchored at its start, and with the same text around it, the same match is found again.
        let input = Input::new(text).range(found.range()).anchored(Anchored::Yes);
        self.search.check(&input).map_err(|_| too_slow())?;
        self.pattern.engine.search_captures(&input, groups);
        Ok(())
    }
}

fn too_slow() -> rex_core::Error {
    exceeded(
        "the pattern takes too long on a text of this length",
        "search line by line, or write a simpler pattern; for \\b in a text that is not ASCII, (?-u:\\b)",
    )
}

/// Successive searches, within the time of a call.
struct PatternSearch<'a> {
    pattern: &'a RegexPattern,
    is_small: bool,
    lazy: Option<(&'a hybrid::regex::Regex, hybrid::regex::Cache)>,
    start: Instant,
}

impl PatternSearch<'_> {
    fn find(&mut self, input: &Input<'_>) -> Result<Option<Match>, MatchError> {
        if let Some((lazy, cache)) = &mut self.lazy {
            if self.start.elapsed() > TIME {
                return Err(MatchError::gave_up(input.start()));
            }
            match lazy.try_search(cache, input) {
                Ok(found) => return Ok(found),
                Err(_) => self.lazy = None,
            }
        }
        self.check(input)?;
        Ok(self.pattern.engine.search(input))
    }

    /// Checks that the engine may search.
    fn check(&self, input: &Input<'_>) -> Result<(), MatchError> {
        if self.is_small || (self.pattern.work(input.get_span().len()) <= WORK && self.start.elapsed() <= TIME) {
            return Ok(());
        }
        Err(MatchError::gave_up(input.start()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the spans of all matches, in both ways, against the crate `regex`.
    fn check(pattern: &str, text: &str) {
        let expected: Vec<_> = regex::Regex::new(pattern)
            .unwrap()
            .captures_iter(text)
            .map(|found| (0..found.len()).map(|at| found.get(at).map(|group| group.range())).collect::<Vec<_>>())
            .collect();
        let pattern = RegexPattern::compile(pattern).unwrap();
        for is_small in [true, false] {
            let mut matches = PatternMatches::new(&pattern, text);
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
            let pattern = RegexPattern::compile(source).unwrap();
            let mut matches = PatternMatches::new(&pattern, text);
            let mut groups = pattern.engine.create_captures();
            let result: PureResult<()> = (|| {
                while let Some(found) = matches.next()? {
                    matches.groups(found, &mut groups)?;
                }
                Ok(())
            })();
            assert_eq!(result.is_ok(), finishes, "{source}");
        }
        // Each alone would take minutes without a limit, the first about an hour.
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
            assert!(RegexPattern::compile(&source).is_err(), "{}", quote(&source));
        }
        let first = RegexPattern::new("cached").unwrap();
        for at in 0..CACHED * 2 {
            RegexPattern::new(&format!("x{at}")).unwrap();
            assert!(Arc::ptr_eq(&first, &RegexPattern::new("cached").unwrap()), "the one in use stays");
        }
        assert!(Arc::strong_count(&first) == 2);
    }
}
