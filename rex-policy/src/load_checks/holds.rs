//! The conditions on one set, combined.

use super::constant::Constant;

/// Conditions on the members of a set.
#[derive(Debug, Clone, Default)]
pub(super) struct MemberConditions {
    all: Vec<Constant>,
    any: Vec<Vec<Constant>>,
    none: Vec<Constant>,
    empty: Option<bool>,
    void: bool,
}

impl MemberConditions {
    pub(super) fn add_all(&mut self, values: Vec<Constant>, holds: bool) {
        match (holds, &values[..]) {
            (true, _) => self.all.extend(values),
            (false, [one]) => self.none.push(one.clone()),
            // At least one of several is missing.
            (false, all) => self.void |= all.iter().all(|value| self.all.contains(value)),
        }
    }

    pub(super) fn add_any(&mut self, values: Vec<Constant>, holds: bool) {
        if holds { self.any.push(values) } else { self.none.extend(values) }
    }

    pub(super) fn add_empty(&mut self, empty: bool) {
        self.void |= self.empty == Some(!empty);
        self.empty = Some(empty);
    }

    pub(super) fn void(&self) -> bool {
        let none = |value: &Constant| self.none.contains(value);
        self.void
            || self.all.iter().any(none)
            || self.any.iter().any(|any| any.iter().all(none))
            || (self.empty == Some(true) && !(self.all.is_empty() && self.any.is_empty()))
    }
}
