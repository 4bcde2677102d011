//! See `rex_fuzz::policy_compile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rex_fuzz::policy_compile(data));
