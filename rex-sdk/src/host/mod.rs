//! Not yet.
/// x
#[derive(Debug)]
pub struct HostOs;
