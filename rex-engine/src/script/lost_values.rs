//! Values that a script computes and loses: the result of a method that changes nothing, a `let` that was meant to change a variable.

use std::collections::BTreeSet;

use rex_core::{Code, Error};
use rhai::{ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::calls::CallableFunctions;
use super::check::{is_plain, place, returns_a_copy, returns_nothing};
use super::copies::{CopyReason, VariableUses, is_part, mentions};
use super::fields::{ValueRoots, called, closure};
use super::names::{FunctionNames, quoted};
use super::parts::ScriptPart;
use super::scan::ScriptPlace;

/// Methods that only return a value. Those that a script may call to see whether they fail are left out.
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
    "max",
    "min",
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

pub(super) type ReportFn<'a> = &'a mut dyn FnMut(Position, Error);

/// Reports lost values of a script; returns the places of its calls of operations whose results are not used.
pub(super) fn find(
    parts: &[ScriptPart<'_>],
    roots: &ValueRoots,
    calls: &CallableFunctions<'_>,
    report: ReportFn<'_>,
) -> BTreeSet<ScriptPlace> {
    let mut dropped = BTreeSet::new();
    let returns_changed: BTreeSet<_> =
        parts.iter().filter(|part| !part.is_closure() && returns_changed(part)).map(|part| part.name.clone()).collect();
    let idle: BTreeSet<_> =
        parts.iter().filter(|part| part.is_closure() && is_idle(part)).map(|part| part.name.clone()).collect();
    for (at, part) in parts.iter().enumerate() {
        let names = part.params.iter().cloned().collect();
        let mut lost = LostChanges {
            calls,
            report,
            dropped: &mut dropped,
            returns_changed: &returns_changed,
            idle: &idle,
            names: vec![names],
            loops: 0,
            before_loop: 0,
        };
        let (mut count, mut number) = (0_usize, 0_usize);
        let own = roots.own_params(at, part);
        let mut copies: Vec<_> = own.iter().map(|name| (VariableUses::of(name), CopyReason::Parameter)).collect();
        part.walk(&mut |path: &[ASTNode<'_>]| {
            count += usize::from(path.len() == 1);
            true
        });
        part.walk(&mut |path: &[ASTNode<'_>]| {
            match path {
                [ASTNode::Stmt(statement)] => {
                    number += 1;
                    for (uses, _) in &mut copies {
                        if number == count { uses.value(statement) } else { uses.statement(statement) }
                    }
                    if let Stmt::Var(parts, ..) = statement
                        && is_part(&parts.1)
                    {
                        copies.push((VariableUses::of_parts(&parts.0.name), CopyReason::Variable));
                    }
                    lost.statement(statement, number == count, (&[], true));
                }
                [.., ASTNode::Expr(Expr::Stmt(block))] => lost.block(block.statements(), true),
                _ => {}
            }
            true
        });
        for (uses, copy) in copies {
            uses.report(copy, report);
        }
    }
    dropped
}

/// Returns whether a function changes one of its parameters, and ends with it.
fn returns_changed(part: &ScriptPart<'_>) -> bool {
    let (mut last, mut changed) = (None, BTreeSet::new());
    let mut uses: Vec<_> = part.params.iter().map(|name| VariableUses::of(name)).collect();
    part.walk(&mut |path: &[ASTNode<'_>]| {
        if let [ASTNode::Stmt(statement)] = path {
            for uses in &mut uses {
                uses.statement(statement);
                if uses.last_change.is_some() {
                    changed.insert(uses.name.clone());
                }
            }
            last = match statement {
                Stmt::Expr(value) => match &**value {
                    Expr::Variable(variable, ..) => Some(variable.1.to_string()),
                    _ => None,
                },
                _ => None,
            };
        }
        true
    });
    last.is_some_and(|last| changed.contains(&last))
}

/// Returns whether a closure only returns a value: it sets nothing, and calls only operators and methods without an effect.
fn is_idle(part: &ScriptPart<'_>) -> bool {
    let mut idle = true;
    part.walk(&mut |path: &[ASTNode<'_>]| {
        idle &= match path.last() {
            Some(ASTNode::Stmt(Stmt::Assignment(_) | Stmt::Return(..) | Stmt::BreakLoop(..))) => false,
            Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                call.is_operator_call()
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, _))) => PURE.contains(&call.name.as_str()),
            _ => true,
        };
        idle
    });
    idle
}

struct LostChanges<'a> {
    calls: &'a CallableFunctions<'a>,
    report: ReportFn<'a>,
    /// Calls of operations whose results are not used.
    dropped: &'a mut BTreeSet<ScriptPlace>,
    /// Functions that change a parameter and end with it.
    returns_changed: &'a BTreeSet<String>,
    /// Closures that only return a value.
    idle: &'a BTreeSet<String>,
    /// The names of the variables of each open block.
    names: Vec<BTreeSet<String>>,
    loops: usize,
    /// Number of blocks that were open before the innermost loop.
    before_loop: usize,
}

impl LostChanges<'_> {
    /// Checks a block, whose last statement is its value if that is used.
    fn block(&mut self, statements: &[Stmt], used: bool) {
        self.names.push(BTreeSet::new());
        for (at, statement) in statements.iter().enumerate() {
            let rest = statements.get(at + 1..).unwrap_or_default();
            self.statement(statement, used && rest.is_empty(), (rest, used));
        }
        self.names.pop();
    }

    /// Checks a statement, with those after it in a block that is not the outermost one.
    fn statement(&mut self, statement: &Stmt, used: bool, (rest, value): (&[Stmt], bool)) {
        match statement {
            Stmt::If(parts, _) => {
                self.block(parts.body.statements(), used);
                self.block(parts.branch.statements(), used);
            }
            Stmt::While(parts, _) | Stmt::Do(parts, ..) => self.repeated(parts.body.statements(), false),
            Stmt::For(parts, _) => {
                self.names.push([parts.0.name.to_string()].into());
                self.changed(&parts.0.name, (parts.2.body.statements(), false), CopyReason::Entry);
                self.repeated(parts.2.body.statements(), true);
                self.names.pop();
            }
            Stmt::TryCatch(parts, _) => {
                // The last statement may be there to see whether it fails.
                self.block(parts.body.statements(), true);
                self.block(parts.branch.statements(), used);
            }
            Stmt::Block(block) => self.block(block.statements(), used),
            Stmt::Var(parts, ..) => {
                let name = parts.0.name.as_str();
                self.shadows(name, &parts.1, rest, parts.0.pos);
                if is_part(&parts.1) {
                    self.changed(name, (rest, value), CopyReason::Variable);
                }
                if let Some(names) = self.names.last_mut() {
                    names.insert(name.to_owned());
                }
            }
            Stmt::Expr(expr) if !used => self.expression(expr),
            Stmt::FnCall(call, position) if !used => self.call(call, *position),
            _ => {}
        }
    }

    fn repeated(&mut self, statements: &[Stmt], is_for: bool) {
        self.loops += 1;
        // The variable of a `for` is new in each round.
        let before = std::mem::replace(&mut self.before_loop, self.names.len() - usize::from(is_for));
        self.block(statements, false);
        self.before_loop = before;
        self.loops -= 1;
    }

    /// Reports a `let` in a block that hides an outer variable, if it counts or nothing reads it: it was to change that variable.
    fn shadows(&mut self, name: &str, value: &Expr, rest: &[Stmt], position: Position) {
        let outer = self.names.split_last().map_or(&[][..], |(_, outer)| outer);
        if name.starts_with('_') || !outer.iter().any(|names| names.contains(name)) {
            return;
        }
        let is_outside = outer.get(..self.before_loop).unwrap_or_default().iter().any(|names| names.contains(name));
        let counts = is_outside
            && self.loops > 0
            && matches!(value, Expr::FnCall(call, _) if ["+", "-"].contains(&call.name.as_str()) && matches!(call.args.as_slice(),
                [Expr::Variable(variable, ..), Expr::IntegerConstant(..)] if variable.1 == name));
        if counts || !rest.iter().any(|statement| mentions(statement, name)) {
            let message =
                format!("`let` makes another {} here, and its value is lost at the end of the block", quoted(name));
            let help = format!("without `let`, `{name} = ..;` changes the variable that was declared before");
            (self.report)(position, Error::new(Code::Script, message).with_help(help));
        }
    }

    /// Reports a copy that is changed in some statements, if nothing reads it after that.
    fn changed(&mut self, name: &str, (statements, used): (&[Stmt], bool), copy: CopyReason) {
        let mut uses =
            if matches!(copy, CopyReason::Entry) { VariableUses::of(name) } else { VariableUses::of_parts(name) };
        match statements.split_last().filter(|_| used) {
            Some((value, before)) => {
                uses.block(before);
                uses.value(value);
            }
            None => uses.block(statements),
        }
        uses.report(copy, self.report);
    }

    fn expression(&mut self, expr: &Expr) {
        if !matches!(expr, Expr::Unit(_)) && is_plain(expr) {
            return (self.report)(expr.start_position(), does_nothing());
        }
        if let Expr::FnCall(call, position) = expr {
            return self.call(call, *position);
        }
        let (mut rest, mut copies, mut is_index) = (expr, false, false);
        while let Expr::Dot(parts, ..) | Expr::Index(parts, ..) = rest {
            copies |= matches!(parts.lhs, Expr::MethodCall(..))
                || !is_index
                    && matches!(parts.lhs, Expr::FnCall(..) | Expr::StringConstant(..) | Expr::InterpolatedString(..));
            is_index = matches!(rest, Expr::Index(..));
            rest = &parts.rhs;
        }
        let Expr::MethodCall(call, position) = rest else { return };
        let name = call.name.as_str();
        let maps = name == "map"
            && !self.is_own(name)
            && call.args.first().and_then(closure).is_some_and(|(function, _)| self.idle.contains(&function));
        if maps || self.is_pure(call) {
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
            return (self.report)(position, does_nothing());
        }
        let name = call.name.as_str();
        if called(call, self.calls.names).is_some() {
            self.dropped.insert(place(position));
        }
        if self.returns_changed.contains(name) {
            let message = format!("the result of `{name}` is lost: it changes a copy, and returns it");
            let help = format!("put it in place, as in `x = {name}(x);`");
            return (self.report)(position, Error::new(Code::Script, message).with_help(help));
        }
        let is_lost = if call.namespace.is_empty() {
            self.is_pure(call) && !call.args.is_empty()
        } else {
            let namespace = call.namespace.to_string();
            let tries = ["parse", "decode", "from"].iter().any(|word| name.contains(word));
            FunctionNames::is_pure(&namespace) && !tries
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

fn does_nothing() -> Error {
    let help = "`x = ..;` sets a variable, `return x` ends with a value, `print(x)` shows it";
    Error::new(Code::Script, "the value of this statement is lost: it does nothing").with_help(help)
}

fn lost(name: &str) -> Error {
    let help = format!(
        "it changes nothing: keep the result, as in `let y = x.{name}(..);`, or put it in place, as in `x = x.{name}(..);`"
    );
    Error::new(Code::Script, format!("the result of `{name}` is lost")).with_help(help)
}
