//! Operations that need more than one action.

use rex_core::{ActionSpec, Request};
use rex_sdk::{OPS, OpSpec, ParamKind};
use serde::Serialize;

use crate::draw::line;

/// Maximum number of operations to name.
const NAMED: usize = 3;

/// An operation that needs an action and others.
#[derive(Serialize)]
pub(super) struct NeedingOperation {
    operation: &'static str,
    actions: Vec<String>,
    #[serde(skip)]
    spec: &'static OpSpec,
}

impl NeedingOperation {
    /// Returns the operations that need this action and others; none if some operation needs this action alone.
    pub(super) fn of(action: &ActionSpec) -> Vec<Self> {
        let needing = OPS.iter().map(|operation| operation.spec()).filter(|spec| spec.needs.contains(&action));
        let all: Vec<Self> = needing
            .map(|spec| {
                let others = spec.needs.iter().filter(|need| **need != action);
                Self { operation: spec.name, actions: others.map(ToString::to_string).collect(), spec }
            })
            .collect();
        if all.iter().any(|needing| needing.actions.is_empty()) { Vec::new() } else { all }
    }

    /// Formats a call of the operation, on the resource if that is its only argument.
    fn call(&self, request: &Request<'_>) -> String {
        let required: Vec<_> = self.spec.params.iter().filter(|param| param.default.is_none()).collect();
        match &required[..] {
            // The first action that an operation needs is about its argument.
            [one]
                if matches!(one.kind, ParamKind::Text | ParamKind::Path)
                    && self.spec.needs.first() == Some(&request.action.spec()) =>
            {
                format!("{}({:?})", self.operation, request.resource.id())
            }
            _ => format!("{}(..)", self.operation),
        }
    }
}

/// Formats the operations for people; may be empty.
pub(super) fn human(request: &Request<'_>) -> String {
    let spec = request.action.spec();
    let needing = NeedingOperation::of(spec);
    let Some(first) = needing.first() else { return String::new() };
    let mut out = format!("\nno operation needs only `{spec}`:\n");
    for one in needing.iter().take(NAMED) {
        out += &format!("  `{}` also needs `{}`\n", one.operation, one.actions.join("` and `"));
    }
    if needing.len() > NAMED {
        let left = needing.len() - NAMED;
        out += &format!("  and {left} other {} more\n", if left == 1 { "operation needs" } else { "operations need" });
    }
    out + &format!("`--operation '{}'` checks everything that a call needs\n", line(&first.call(request)))
}
