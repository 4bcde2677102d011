//! See `rex_fuzz::plans::plans`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rex_fuzz::plans::plans(data));
