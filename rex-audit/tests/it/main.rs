//! Journals, as they are written and as somebody changed them.

#[cfg(test)]
mod changes;
