//! See `rex_policy::testing::reach_covers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = rex_policy::testing::reach_covers(data);
});
