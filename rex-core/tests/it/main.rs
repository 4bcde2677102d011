//! Tests of the gate and the journal.

#[cfg(test)]
mod gate;
