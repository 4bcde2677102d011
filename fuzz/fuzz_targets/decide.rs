//! See `rex_policy::testing::decide_agrees`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = rex_policy::testing::decide_agrees(data);
});
