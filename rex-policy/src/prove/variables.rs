//! What a solver chooses values for, and what it is told of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};
use rex_core::FactKind;

use super::kinds::{and, binary, is, not, variable};
use crate::rule::Uid;

/// Why something cannot be told in this way.
pub(super) type Untold = String;

/// The variable that stands for the id of the principal.
pub(super) const PRINCIPAL: &str = "principal";

/// The variables that conditions speak of, and what is known of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    /// Each with its type in Cedar.
    pub(super) types: BTreeMap<String, &'static str>,
    /// Variables that stand for a membership which the entities file is free to say: of the principal, or else of the resource.
    pub(super) members: BTreeMap<String, (bool, Uid)>,
    /// What holds of every request.
    pub(super) known: Vec<Expr>,
    /// What holds of every request, if the variable is used at all.
    pub(super) if_used: Vec<(String, Expr)>,
    /// What holds of the requests that a person likes to read.
    pub(super) polite: Vec<Expr>,
}

impl Variables {
    /// A variable, which from now on there is.
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

    /// Takes something for known; says whether it was not.
    pub(super) fn learn(&mut self, known: Expr) -> bool {
        let new = !self.known.contains(&known);
        if new {
            self.known.push(known);
        }
        new
    }

    /// A membership that nothing is known of.
    pub(super) fn free(&mut self, group: &Uid, of_principal: bool) -> Expr {
        let member = (of_principal, group.clone());
        let known = self.members.iter().find(|(_, known)| **known == member).map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| format!("member_{}", self.members.len()));
        self.members.insert(name.clone(), member);
        self.use_of(name, "Bool")
    }
}

/// The Cedar type of a fact.
pub(super) fn cedar_type(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Long => "Long",
        FactKind::Bool => "Bool",
        FactKind::String => "String",
        FactKind::Ip => "ipaddr",
    }
}

/// What clocks say: a time that has four digits for its year.
pub(super) fn in_reach_of_clocks(now: &Expr) -> Expr {
    let time = |text: &str| {
        let text = Expr::Literal(Literal::String(text.into()));
        Expr::UnaryOp { op: UnaryOp::Datetime, expr: Arc::new(text) }
    };
    let from = binary(BinaryOp::GreaterEq, now.clone(), time("1970-01-01"));
    and(from, binary(BinaryOp::Less, now.clone(), time("9999-12-31")))
}
