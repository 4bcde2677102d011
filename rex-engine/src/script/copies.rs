//! Variables that hold a copy of something, and are changed: checks whether the change is read.

use rex_core::{Code, Error};
use rhai::{ASTNode, Expr, Position, Stmt};

use super::check::{returns_a_copy, returns_nothing};
use super::lost_values::ReportFn;
use super::names::quoted;

/// The reason that a variable is a copy of something else.
#[derive(Clone, Copy)]
pub(super) enum CopyReason {
    Parameter,
    Variable,
    Entry,
}

/// Returns whether an expression is a variable, or a part of one.
pub(super) fn is_part(value: &Expr) -> bool {
    match value {
        Expr::Variable(..) => true,
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => is_part(&parts.lhs) && is_found(&parts.rhs),
        Expr::Coalesce(parts, _) => parts.first().is_some_and(is_part),
        _ => false,
    }
}

/// Returns whether an access leads to a part of a value: by fields and indexes, or by a method that finds one.
fn is_found(rest: &Expr) -> bool {
    match rest {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => is_found(&parts.lhs) && is_found(&parts.rhs),
        Expr::MethodCall(call, _) => ["filter", "find", "get"].contains(&call.name.as_str()),
        rest => is_path(rest),
    }
}

/// Returns whether an access leads to a part of a value, without a call.
fn is_path(rest: &Expr) -> bool {
    match rest {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => is_path(&parts.lhs) && is_path(&parts.rhs),
        Expr::MethodCall(..) | Expr::FnCall(..) => false,
        _ => true,
    }
}

/// The uses of a variable in some statements: its last change, and whether it is read after that.
pub(super) struct VariableUses {
    pub(super) name: String,
    pub(super) last_change: Option<Position>,
    read: bool,
    ever_read: bool,
    /// True if setting the variable itself is a change, too.
    whole: bool,
}

impl VariableUses {
    pub(super) fn of(name: &str) -> Self {
        Self { name: name.to_owned(), last_change: None, read: false, ever_read: false, whole: true }
    }

    /// Returns uses for which setting the variable itself is not a change.
    pub(super) fn of_parts(name: &str) -> Self {
        Self { whole: false, ..Self::of(name) }
    }

    /// Checks the last statement of a block, which is its value.
    pub(super) fn value(&mut self, statement: &Stmt) {
        match statement {
            // As a value, the method returns a changed copy.
            Stmt::Expr(expr) if self.is_changed(expr, &returns_a_copy) => self.used(true),
            other => self.statement(other),
        }
    }

    pub(super) fn report(&self, copy: CopyReason, report: ReportFn<'_>) {
        let Some(position) = self.last_change.filter(|_| !self.read) else { return };
        let name = &self.name;
        let quoted = quoted(name);
        let (what, help) = match copy {
            CopyReason::Parameter => (
                format!("a function gets a copy of {quoted}"),
                format!("end the function with `{name}`, and use what it returns"),
            ),
            CopyReason::Variable => {
                (format!("{quoted} is a copy"), format!("change the value itself, or put `{name}` back in its place"))
            }
            CopyReason::Entry => (
                "`for` gives a copy of each entry".to_owned(),
                format!(
                    "`list.map(|{name}| {{ ..; {name} }})` makes a list of changed entries; by number, `for i in 0..list.len() {{ list[i] = ..; }}`"
                ),
            ),
        };
        report(position, Error::new(Code::Script, format!("this change is lost: {what}")).with_help(help));
    }

    pub(super) fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::If(parts, _) => {
                self.expression(&parts.expr);
                self.block(parts.body.statements());
                self.block(parts.branch.statements());
            }
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::While(parts, _) | Stmt::Do(parts, ..) => self.repeated(&parts.expr, parts.body.statements()),
            Stmt::For(parts, _) => self.repeated(&parts.2.expr, parts.2.body.statements()),
            Stmt::Assignment(parts) if self.is_target(&parts.1.lhs) => {
                self.changed(parts.1.lhs.start_position());
            }
            Stmt::Expr(expr) if self.is_changed(expr, &changes) => self.changed(expr.start_position()),
            other => self.used(mentions(other, &self.name)),
        }
    }

    /// Checks a loop: its reads may come after a change in an earlier round.
    fn repeated(&mut self, head: &Expr, body: &[Stmt]) {
        self.expression(head);
        let mut inner = Self { whole: self.whole, ..Self::of(&self.name) };
        inner.block(body);
        match (inner.ever_read, inner.last_change) {
            (false, Some(position)) => self.changed(position),
            (read, _) => self.used(read),
        }
    }

    fn used(&mut self, used: bool) {
        self.read |= used;
        self.ever_read |= used;
    }

    pub(super) fn block(&mut self, statements: &[Stmt]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn expression(&mut self, expr: &Expr) {
        let mut found = false;
        expr.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
            found |= names(path, &self.name);
            !found
        });
        self.used(found);
    }

    fn changed(&mut self, position: Position) {
        (self.last_change, self.read) = (Some(position), false);
    }

    /// Returns whether an assignment changes a part of the variable, or the variable itself where that counts.
    fn is_target(&self, target: &Expr) -> bool {
        let whole = self.whole && matches!(target, Expr::Variable(variable, ..) if variable.1 == self.name.as_str());
        whole
            || matches!(target, Expr::Dot(parts, ..) | Expr::Index(parts, ..) if self.is_variable(&parts.lhs) && is_path(&parts.rhs))
    }

    fn is_variable(&self, value: &Expr) -> bool {
        match value {
            Expr::Variable(variable, ..) => variable.1 == self.name.as_str(),
            Expr::Dot(parts, ..) | Expr::Index(parts, ..) => self.is_variable(&parts.lhs),
            _ => false,
        }
    }

    /// Returns whether an expression calls a method, selected by `by`, that changes the variable or a part of it.
    fn is_changed(&self, expr: &Expr, by: &dyn Fn(&str) -> bool) -> bool {
        let Expr::Dot(parts, ..) = expr else { return false };
        let mut rest = &parts.rhs;
        while let Expr::Dot(inner, ..) | Expr::Index(inner, ..) = rest {
            if matches!(inner.lhs, Expr::MethodCall(..)) {
                return false;
            }
            rest = &inner.rhs;
        }
        self.is_variable(&parts.lhs) && matches!(rest, Expr::MethodCall(call, _) if by(&call.name))
    }
}

/// Returns whether a method changes its receiver.
fn changes(name: &str) -> bool {
    returns_a_copy(name) || returns_nothing(name) && name != "for_each"
}

fn names(path: &[ASTNode<'_>], name: &str) -> bool {
    matches!(path.last(), Some(ASTNode::Expr(Expr::Variable(variable, ..))) if variable.1 == name)
}

/// Returns whether a statement names a variable.
pub(super) fn mentions(statement: &Stmt, name: &str) -> bool {
    let mut found = false;
    statement.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
        found |= names(path, name);
        !found
    });
    found
}
