//! The index and the cache decide as Cedar's full evaluation does.

use proptest::prelude::*;
use rex_policy::testing::decide_agrees;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn indexed_decisions_are_full_decisions(data in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let _ = decide_agrees(&data);
    }
}

/// A property that holds because nothing validates would be worth nothing.
#[test]
fn most_random_policies_validate() {
    let mut state = 1_u64;
    let valid = (0..200).filter(|_| {
        let data: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .take(1500)
        .collect();
        decide_agrees(&data)
    });
    let valid = valid.count();
    assert!(valid > 100, "{valid} of 200");
}
