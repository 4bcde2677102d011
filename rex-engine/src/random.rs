//! Sources of random bytes.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// A function that fills bytes at random; the system's unless a test or a replay sets another.
pub type RandomSource = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Fills bytes from the seeds that the standard library takes from the system. Nobody guesses them by chance; they are not made
/// for keys.
pub(crate) fn system(bytes: &mut [u8]) {
    let state = RandomState::new();
    for (number, chunk) in bytes.chunks_mut(size_of::<u64>()).enumerate() {
        chunk.copy_from_slice(state.hash_one(number).to_le_bytes().get(..chunk.len()).unwrap_or_default());
    }
}

/// Returns a unique name for a run: 128 random bits.
#[must_use]
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    system(&mut bytes);
    format!("{:032x}", u128::from_le_bytes(bytes))
}
