//! See `rex_fuzz::files::elf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rex_fuzz::files::elf(data));
