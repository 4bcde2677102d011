//! Integration tests of rex-sdk.
