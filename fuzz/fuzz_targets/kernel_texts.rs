//! See `rex_sdk::testing::kernel_texts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rex_sdk::testing::kernel_texts(data));
