//! Values that a script computes and loses: the result of a method that changes nothing, a `let` that was meant to change a variable.

use std::collections::BTreeSet;

use rex_core::{Code, Error};
use rhai::{ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::calls::Calls;
use super::look::{is_plain, returns_a_copy, returns_nothing};
use super::names::quoted;
use super::parts::Part;

/// Methods that return a value and do nothing else. Those that a script may call to see whether they fail are left out.
const PURE: &[&str] = &[
    "abs",
    "all",
    "ceiling",
    "chars",
    "contains",
    "deduped",
    "ends_with",
    "extract",
    "filter",
    "find",
    "floor",
    "index_of",
    "is_empty",
    "join",
    "keys",
    "len",
    "lines",
    "order",
    "order_by",
    "order_desc",
    "reduce",
    "replaced",
    "reversed",
    "round",
    "some",
    "split",
    "split_rev",
    "starts_with",
    "sub_string",
    "to_array",
    "to_lower",
    "to_string",
    "to_upper",
    "trimmed",
    "values",
];

type Report<'a> = &'a mut dyn FnMut(Position, Error);

/// Reports what is lost in a script.
pub(super) fn find(parts: &[Part], calls: &Calls<'_>, report: Report<'_>) {
    for part in parts {
        let mut names = BTreeSet::new();
        names.extend(part.params.iter().cloned());
        let mut lost = Lost { calls, report, names: vec![names], loops: 0 };
        let (mut count, mut number) = (0_usize, 0_usize);
        part.tree.walk(&mut |path: &[ASTNode<'_>]| {
            count += usize::from(path.len() == 1);
            true
        });
        part.tree.walk(&mut |path: &[ASTNode<'_>]| {
            match path {
                [ASTNode::Stmt(statement)] => {
                    number += 1;
                    lost.statement(statement, number == count, &[]);
                }
                [.., ASTNode::Expr(Expr::Stmt(block))] => lost.block(block.statements(), true),
                _ => {}
            }
            true
        });
    }
}

struct Lost<'a> {
    calls: &'a Calls<'a>,
    report: Report<'a>,
    /// The names of the variables of each block that is open.
    names: Vec<BTreeSet<String>>,
    loops: usize,
}

impl Lost<'_> {
    /// Looks at a block, of which the last statement is the value, or nothing is.
    fn block(&mut self, statements: &[Stmt], used: bool) {
        self.names.push(BTreeSet::new());
        for (at, statement) in statements.iter().enumerate() {
            let rest = statements.get(at + 1..).unwrap_or_default();
            self.statement(statement, used && rest.is_empty(), rest);
        }
        self.names.pop();
    }

    /// Looks at a statement, and those after it in a block that is not the outermost one.
    fn statement(&mut self, statement: &Stmt, used: bool, rest: &[Stmt]) {
        match statement {
            Stmt::If(parts, _) => {
                self.block(parts.body.statements(), used);
                self.block(parts.branch.statements(), used);
            }
            Stmt::While(parts, _) | Stmt::Do(parts, ..) => self.repeated(parts.body.statements()),
            Stmt::For(parts, _) => {
                self.names.push([parts.0.name.to_string()].into());
                self.repeated(parts.2.body.statements());
                self.names.pop();
            }
            Stmt::TryCatch(parts, _) => {
                // Whether it fails is what the last one may be for.
                self.block(parts.body.statements(), true);
                self.block(parts.branch.statements(), used);
            }
            Stmt::Block(block) => self.block(block.statements(), used),
            Stmt::Var(parts, ..) => {
                let name = parts.0.name.as_str();
                self.shadows(name, &parts.1, rest, parts.0.pos);
                if let Some(names) = self.names.last_mut() {
                    names.insert(name.to_owned());
                }
            }
            Stmt::Expr(expr) if !used => self.expression(expr),
            Stmt::FnCall(call, position) if !used => self.call(call, *position),
            _ => {}
        }
    }

    fn repeated(&mut self, statements: &[Stmt]) {
        self.loops += 1;
        self.block(statements, false);
        self.loops -= 1;
    }

    /// A `let` in a block that hides a variable from outside of it, and that nothing reads: it was to change that variable.
    fn shadows(&mut self, name: &str, value: &Expr, rest: &[Stmt], position: Position) {
        let outer = self.names.split_last().map_or(&[][..], |(_, outer)| outer);
        if name.starts_with('_') || !outer.iter().any(|names| names.contains(name)) {
            return;
        }
        let counts = self.loops > 0
            && matches!(value, Expr::FnCall(call, _) if call.is_operator_call() && matches!(call.args.as_slice(),
                [Expr::Variable(variable, ..), Expr::IntegerConstant(..)] if variable.1 == name));
        if counts || !rest.iter().any(|statement| mentions(statement, name)) {
            let message =
                format!("`let` makes another {} here, and its value is lost at the end of the block", quoted(name));
            let help = format!("without `let`, `{name} = ..;` changes the variable that was declared before");
            (self.report)(position, Error::new(Code::Script, message).with_help(help));
        }
    }

    fn expression(&mut self, expr: &Expr) {
        if !matches!(expr, Expr::Unit(_)) && is_plain(expr) {
            let help = "`x = ..;` sets a variable, `return x` ends with a value, `print(x)` shows it";
            let error = Error::new(Code::Script, "the value of this statement is lost: it does nothing");
            return (self.report)(expr.start_position(), error.with_help(help));
        }
        if let Expr::FnCall(call, position) = expr {
            return self.call(call, *position);
        }
        let (mut rest, mut copies) = (expr, false);
        while let Expr::Dot(parts, ..) | Expr::Index(parts, ..) = rest {
            copies |= matches!(
                parts.lhs,
                Expr::MethodCall(..) | Expr::FnCall(..) | Expr::StringConstant(..) | Expr::InterpolatedString(..)
            );
            rest = &parts.rhs;
        }
        let Expr::MethodCall(call, position) = rest else { return };
        let name = call.name.as_str();
        if self.is_pure(call) {
            (self.report)(*position, lost(name));
        } else if copies && (returns_a_copy(name) || returns_nothing(name) && name != "for_each") && !self.is_own(name)
        {
            let message = format!("`{name}` changes what the method before it returned, and that is lost");
            let help = format!("give it a name first: `let x = ..; x.{name}(..);`");
            (self.report)(*position, Error::new(Code::Script, message).with_help(help));
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position) {
        if call.is_operator_call() {
            return;
        }
        let name = call.name.as_str();
        let is_lost = if call.namespace.is_empty() {
            self.is_pure(call) && !call.args.is_empty()
        } else {
            let namespace = call.namespace.to_string();
            let tries = ["parse", "decode", "from"].iter().any(|word| name.contains(word));
            self.calls.names.is_pure(&namespace) && !tries
        };
        if is_lost {
            (self.report)(position, lost(name));
        }
    }

    fn is_pure(&self, call: &FnCallExpr) -> bool {
        PURE.contains(&call.name.as_str()) && !self.is_own(&call.name)
    }

    fn is_own(&self, name: &str) -> bool {
        self.calls.own.contains_key(name) || self.calls.held.contains(name)
    }
}

fn lost(name: &str) -> Error {
    let help = format!(
        "it changes nothing: keep the result, as in `let y = x.{name}(..);`, or put it in place, as in `x = x.{name}(..);`"
    );
    Error::new(Code::Script, format!("the result of `{name}` is lost")).with_help(help)
}

/// Whether a statement names a variable.
fn mentions(statement: &Stmt, name: &str) -> bool {
    let mut found = false;
    statement.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
        found |= matches!(path.last(), Some(ASTNode::Expr(Expr::Variable(variable, ..))) if variable.1 == name);
        !found
    });
    found
}
