//! Tests of journals as they are written, and after changes.

#[cfg(test)]
mod changes;
