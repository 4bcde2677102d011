//! Integration tests of rex-sdk.

#[cfg(test)]
#[cfg(feature = "host")]
mod files;
#[cfg(test)]
#[cfg(feature = "host")]
mod services;
