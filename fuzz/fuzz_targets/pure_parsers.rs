//! See `rex_fuzz::pure::parsers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rex_fuzz::pure::parsers(data));
