//! Integration tests of rex-sdk.

#[cfg(test)]
mod conformance;
#[cfg(test)]
#[cfg(feature = "host")]
mod files;
#[cfg(test)]
#[cfg(feature = "host")]
mod machine;
#[cfg(test)]
#[cfg(feature = "host")]
mod network;
#[cfg(test)]
mod overlay;
#[cfg(test)]
#[cfg(feature = "host")]
mod processes;
#[cfg(test)]
#[cfg(feature = "host")]
mod services;
