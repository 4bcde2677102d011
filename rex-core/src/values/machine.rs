//! Finite automata over bytes, which decide whether a form has a text that matches a pattern.

use std::collections::HashMap;
use std::sync::OnceLock;

/// A finite automaton, made on its first use.
pub(super) type LazyAutomaton = fn() -> &'static Automaton;

/// The [`LazyAutomaton`] with this step from one state to the next and these states at the end of a text. States are numbers, 0 at first.
macro_rules! machine {
    ($step:expr, $ends:expr $(,)?) => {
        || {
            static TABLE: std::sync::LazyLock<super::machine::Automaton> =
                std::sync::LazyLock::new(|| super::machine::Automaton::new($step, $ends));
            &TABLE
        }
    };
}
pub(super) use machine;

/// A set of states, one bit for each.
type StateSet = Box<[u64]>;

/// The states that can be reached.
pub(super) struct Automaton {
    states: Vec<AutomatonState>,
}

struct AutomatonState {
    ends: bool,
    /// The next state for each byte; [`NOWHERE`] if there is none.
    next: Box<[u16; 256]>,
    /// The next states for all bytes, each once.
    follow: Vec<u16>,
    /// The states after any text. Patterns have few wildcards, so it is made only for states that need it.
    reached: OnceLock<StateSet>,
}

const NOWHERE: u16 = u16::MAX;

impl Automaton {
    pub(super) fn new(step: fn(u32, u8) -> Option<u32>, ends: fn(u32) -> bool) -> Self {
        let (mut numbers, mut places, mut states) = (vec![0], HashMap::from([(0, 0_u16)]), Vec::new());
        while let Some(number) = numbers.get(states.len()).copied() {
            let (mut next, mut follow) = (Box::new([NOWHERE; 256]), Vec::new());
            for (byte, slot) in (0..=u8::MAX).zip(next.iter_mut()) {
                let Some(to) = step(number, byte) else { continue };
                let new = u16::try_from(numbers.len()).unwrap_or(NOWHERE);
                *slot = *places.entry(to).or_insert(new);
                if *slot == new {
                    numbers.push(to);
                }
                if !follow.contains(slot) {
                    follow.push(*slot);
                }
            }
            states.push(AutomatonState { ends: ends(number), next, follow, reached: OnceLock::new() });
        }
        Self { states }
    }

    /// Returns whether it accepts a text that matches a pattern, whose wildcards are `None`.
    pub(super) fn has_like(&self, pattern: &[Option<char>]) -> bool {
        let mut set = self.empty();
        add(&mut set, 0);
        let mut buffer = [0; 4];
        for element in pattern {
            match element {
                Some(c) => c.encode_utf8(&mut buffer).bytes().for_each(|byte| set = self.after(&set, byte)),
                None => set = self.after_any(&set),
            }
        }
        self.among(&set).any(|(_, state)| state.ends)
    }

    fn empty(&self) -> StateSet {
        vec![0; self.states.len().div_ceil(64)].into()
    }

    fn among<'t>(&'t self, set: &'t StateSet) -> impl Iterator<Item = (usize, &'t AutomatonState)> {
        let places = set.iter().enumerate().flat_map(|(word, bits)| {
            let mut left = *bits;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(word * 64 + bit as usize)
            })
        });
        places.filter_map(|place| Some((place, self.states.get(place)?)))
    }

    fn after(&self, set: &StateSet, byte: u8) -> StateSet {
        let mut next = self.empty();
        for (_, state) in self.among(set) {
            add(&mut next, state.next.get(usize::from(byte)).copied().unwrap_or(NOWHERE));
        }
        next
    }

    /// Returns the states that follow on a set after any text.
    fn after_any(&self, set: &StateSet) -> StateSet {
        let mut all = self.empty();
        for (place, state) in self.among(set) {
            let reached = state.reached.get_or_init(|| self.reached(place));
            all.iter_mut().zip(reached.iter()).for_each(|(word, more)| *word |= more);
        }
        all
    }

    fn reached(&self, place: usize) -> StateSet {
        let mut all = self.empty();
        let mut left = vec![u16::try_from(place).unwrap_or(NOWHERE)];
        while let Some(place) = left.pop() {
            if add(&mut all, place) {
                left.extend(self.states.get(usize::from(place)).into_iter().flat_map(|state| &state.follow));
            }
        }
        all
    }
}

/// Adds a state to a set; returns whether it is new there.
fn add(set: &mut StateSet, place: u16) -> bool {
    let bit = 1 << (place % 64);
    let Some(word) = set.get_mut(usize::from(place / 64)) else { return false };
    let new = *word & bit == 0;
    *word |= bit;
    new
}
