//! See `rex_fuzz::urls::urls`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rex_fuzz::urls::urls(data));
