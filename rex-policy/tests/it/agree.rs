//! The index and the cache decide as Cedar's full evaluation does, and what they allow lies within reach.

use proptest::prelude::*;
use rex_policy::testing::{arguments_agree, decide_agrees, inputs, reach_covers};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn indexed_decisions_are_full_decisions(data in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let _ = decide_agrees(&data);
    }

    #[test]
    fn what_is_allowed_lies_within_reach(data in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let _ = reach_covers(&data);
    }

    #[test]
    fn no_arguments_pass_for_others(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = arguments_agree(&data);
    }
}

/// Counts how many of 200 random inputs have a property.
fn count(property: fn(&[u8]) -> bool) -> usize {
    inputs().take(200).filter(|data| property(data)).count()
}

/// A property that holds because nothing validates would be worth nothing.
#[test]
fn most_random_policies_validate() {
    let valid = count(decide_agrees);
    assert!(valid > 100, "{valid} of 200");
}

#[test]
fn enough_is_allowed_within_a_bound() {
    let bounded = count(reach_covers);
    assert!(bounded > 25, "{bounded} of 200");
}

#[test]
fn enough_arguments_are_allowed() {
    let allowed = count(arguments_agree);
    assert!(allowed > 50, "{allowed} of 200");
}
