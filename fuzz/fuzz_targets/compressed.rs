//! See `rex_fuzz::files::compressed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rex_fuzz::files::compressed(data));
