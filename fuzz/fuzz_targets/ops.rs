//! See `rex_fuzz::ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rex_fuzz::ops(data));
