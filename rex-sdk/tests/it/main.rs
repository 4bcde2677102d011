//! Integration tests of rex-sdk.

#[cfg(all(test, feature = "host"))]
mod files;
