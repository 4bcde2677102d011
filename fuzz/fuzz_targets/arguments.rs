//! See `rex_policy::testing::arguments_agree`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = rex_policy::testing::arguments_agree(data);
});
