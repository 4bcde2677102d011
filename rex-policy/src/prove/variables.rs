//! Variables for which a solver chooses values, and what is known about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};
use rex_core::FactKind;

use super::kinds::{and, binary, is, not, variable};
use crate::rule::Uid;

/// The reason why something cannot be encoded.
pub(super) type Untranslatable = String;

/// The variable for the id of the principal.
pub(super) const PRINCIPAL: &str = "principal";

/// The variables of conditions, and what is known about them.
#[derive(Debug, Clone, Default)]
pub(super) struct ConditionVariables {
    /// The variables with their Cedar types.
    pub(super) types: BTreeMap<String, &'static str>,
    /// Variables for memberships that the entities file may declare: of the principal (`true`), or of the resource.
    pub(super) members: BTreeMap<String, (bool, Uid)>,
    /// Conditions that every request meets.
    pub(super) known: Vec<Expr>,
    /// Conditions that every request meets, by the variable that they need.
    pub(super) if_used: Vec<(String, Expr)>,
    /// Conditions on requests that are easy to read.
    pub(super) polite: Vec<Expr>,
}

impl ConditionVariables {
    /// Declares a variable and returns it.
    pub(super) fn use_of(&mut self, name: String, kind: &'static str) -> Expr {
        let variable = variable(&name);
        let new = self.types.insert(name.clone(), kind).is_none();
        if new && kind == "Long" {
            let zero = Expr::Literal(Literal::Long(0));
            self.polite.push(binary(BinaryOp::GreaterEq, variable.clone(), zero));
        } else if new && name == PRINCIPAL {
            self.polite.push(not(is(PRINCIPAL, "")));
        }
        variable
    }

    /// Adds a known condition, and returns whether it is new.
    pub(super) fn learn(&mut self, known: Expr) -> bool {
        let new = !self.known.contains(&known);
        if new {
            self.known.push(known);
        }
        new
    }

    /// Returns a free variable for a membership.
    pub(super) fn free(&mut self, group: &Uid, of_principal: bool) -> Expr {
        let member = (of_principal, group.clone());
        let known = self.members.iter().find(|(_, known)| **known == member).map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| format!("member_{}", self.members.len()));
        self.members.insert(name.clone(), member);
        self.use_of(name, "Bool")
    }
}

/// Returns the Cedar type of a fact.
pub(super) fn cedar_type(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Long => "Long",
        FactKind::Bool => "Bool",
        FactKind::String => "String",
        FactKind::Ip => "ipaddr",
    }
}

/// Encodes that a clock can show a time: from 1970 to before 9999-12-31.
pub(super) fn in_reach_of_clocks(now: &Expr) -> Expr {
    let time = |text: &str| {
        let text = Expr::Literal(Literal::String(text.into()));
        Expr::UnaryOp { op: UnaryOp::Datetime, expr: Arc::new(text) }
    };
    let from = binary(BinaryOp::GreaterEq, now.clone(), time("1970-01-01"));
    and(from, binary(BinaryOp::Less, now.clone(), time("9999-12-31")))
}
