//! Integration tests of rex-sdk.

#[cfg(test)]
mod conformance;
#[cfg(test)]
#[cfg(all(feature = "host", target_os = "linux"))]
mod files;
#[cfg(test)]
#[cfg(all(feature = "host", target_os = "linux"))]
mod machine;
#[cfg(test)]
#[cfg(all(feature = "host", target_os = "linux"))]
mod network;
#[cfg(test)]
mod overlay;
#[cfg(test)]
#[cfg(all(feature = "host", target_os = "linux"))]
mod processes;
#[cfg(test)]
#[cfg(all(feature = "host", target_os = "linux"))]
mod services;
