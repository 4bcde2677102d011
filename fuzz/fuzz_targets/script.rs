//! See `rex_fuzz::script`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rex_fuzz::script(data));
