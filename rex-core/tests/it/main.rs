//! The gate, the journal and their laws.

#[cfg(test)]
mod gate;
