//! Checks of a script's tree before it runs: what cannot work, what is a mistake, and what is edited.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rex_core::nearest::did_you_mean;
use rex_core::{Code, Error};
use rex_sdk::OpSpec;
use rhai::{AST, ASTFlags, ASTNode, Expr, FnCallExpr, Position, Stmt, StmtBlock};

use super::calls::CallableFunctions;
use super::edits::ScriptEdits;
use super::fields::{ValueRoot, ValueRoots, called};
use super::names::{FunctionNames, quoted};
use super::parts::ScriptPart;
use super::result_uses::ResultUses;
use super::scan::{ScriptPlace, ScriptScan};
use super::slips::{added_late, empty_block, is_place, last_place, leading_zero, open_comment, triple_quotes};
use super::{lost_values, meant};
use crate::report::Failure;

/// Methods that change their receiver in place, each with the one that returns a changed copy.
const IN_PLACE: &[(&str, &str)] = &[
    ("dedup", "deduped"),
    ("make_lower", "to_lower"),
    ("make_upper", "to_upper"),
    ("replace", "replaced"),
    ("reverse", "reversed"),
    ("sort", "order"),
    ("sort_by", "order_by"),
    ("sort_desc", "order_desc"),
    ("trim", "trimmed"),
];

/// Methods that change their receiver in place and return nothing.
const NOTHING: &[&str] = &[
    "append",
    "chop",
    "clear",
    "crop",
    "fill_with",
    "for_each",
    "insert",
    "mixin",
    "pad",
    "push",
    "set",
    "splice",
    "truncate",
];

/// The function that gives a caught error its fields. No script spells it by chance.
pub(crate) const CAUGHT: &str = "rex_caught_error";

/// The function that notes a caught error without a name in the script, and the name that such an error gets.
pub(crate) const SLIPPED: &str = "rex_slipped_error";
const UNNAMED: &str = "rex_unnamed_error";

/// The function that returns a field, an entry or `()`.
pub(crate) const ASKED: &str = "rex_asked_field";

/// The operator that adds and joins, instead of Rhai's `+`, which treats nothing as an empty text.
pub(crate) const JOINED: &str = "rex_joined_values";

/// The operator that subtracts, instead of Rhai's `-`, which removes a text from another one.
pub(crate) const SUBTRACTED: &str = "rex_subtracted_values";
/// The operator that replaces `/`, except where a number stands beside it.
pub(crate) const DIVIDED: &str = "rex_divided_values";

/// The function that checks whether a value has the kind of the cases of its `switch`.
pub(crate) const SWITCHED: &str = "rex_switched_value";

/// Maximum number of fields set and not read that are compared with known fields.
const NEW_FIELDS: usize = 100;

/// The result of checking a script.
#[derive(Default)]
pub(crate) struct ScriptCheck {
    pub(crate) edits: ScriptEdits,
    pub(crate) mistakes: BTreeMap<ScriptPlace, Failure>,
    pub(crate) warnings: BTreeMap<ScriptPlace, Failure>,
    pub(crate) roots: HashMap<ScriptPlace, ValueRoot>,
    /// Fields that are read with `get`.
    asked: Vec<(ScriptPlace, String, ValueRoot)>,
    pub(crate) heed: ResultUses,
    /// The operations that the script calls.
    pub(crate) operations: BTreeMap<&'static str, &'static OpSpec>,
}

/// Returns the pair of a method that changes in place and the one that returns a changed copy, by the name of the latter.
pub(crate) fn in_place(copy: &str) -> Option<(&'static str, &'static str)> {
    IN_PLACE.iter().find(|(_, name)| *name == copy).copied()
}

/// Returns whether a method changes its receiver and also returns it.
pub(super) fn returns_a_copy(name: &str) -> bool {
    IN_PLACE.iter().any(|(in_place, _)| *in_place == name)
}

/// Returns whether a method changes its receiver and returns nothing.
pub(super) fn returns_nothing(name: &str) -> bool {
    NOTHING.contains(&name)
}

/// Converts a position of Rhai to a place.
pub(crate) fn place(position: Position) -> ScriptPlace {
    let number = |number: Option<usize>| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    (number(position.line()), number(position.position()))
}

pub(crate) fn failure(place: ScriptPlace, error: Error) -> Failure {
    let known = |number: u32| (number > 0).then_some(number);
    Failure { line: known(place.0), column: known(place.1), ..Failure::new(error) }
}

impl ScriptCheck {
    pub(crate) fn new(ast: &AST, scan: &ScriptScan, names: &FunctionNames, args: Option<&[String]>) -> Self {
        let mut look = Self::default();
        let (own, held) = (own_functions(ast), held(ast));
        let parts = ScriptPart::all(ast);
        let roots = ValueRoots::new(&parts, names);
        let calls = CallableFunctions { names, own: &own, held: &held };
        for (number, part) in parts.iter().enumerate() {
            part.walk(&mut |path: &[ASTNode<'_>]| {
                look.node(path, scan, &calls, (&roots, number));
                true
            });
        }
        let dropped =
            lost_values::find(&parts, &roots, &calls, &mut |position, error| look.mistake(place(position), error));
        look.heed = ResultUses::new(ast, dropped);
        meant::find(&parts, &roots, scan, &mut |position, error| look.mistake(place(position), error));
        for (position, error) in meant::warnings(ast, &parts) {
            look.warnings.insert(place(position), failure(place(position), error));
        }
        look.operations = roots.operations;
        for function in ast.iter_fn_def().filter(|function| function.name == "contains" && function.params.len() == 2) {
            let message = "`x in y` would call this `contains`, and not that of the language";
            let error = Error::new(Code::Script, message).with_help("give the function another name");
            look.mistake(place(function.body.start_position()), error);
        }
        let only = ast.statements().is_empty().then(|| ast.iter_fn_def().next()).flatten();
        if let Some(function) = only {
            let error = Error::new(Code::Script, "the script only defines functions, and calls none");
            look.mistake((1, 1), error.with_help(format!("call one at the end: `{}(..);`", function.name)));
        }
        look.fields(ast, args);
        look.text(scan);
        look
    }

    /// Reports what only the text shows, and not the tree.
    fn text(&mut self, scan: &ScriptScan) {
        for &place in &scan.divisions {
            let error = Error::new(Code::Script, "`//` begins a comment, so the line ends before it");
            self.mistake(
                place,
                error.with_help("`/` divides; of two integers it drops the rest, as in `7 / 2`, which is 3"),
            );
        }
        scan.open_comment.iter().for_each(|&place| self.mistake(place, open_comment()));
        scan.triples.iter().for_each(|&place| self.mistake(place, triple_quotes()));
        scan.empties.iter().for_each(|&place| self.mistake(place, empty_block()));
        scan.zeros.iter().for_each(|&place| self.mistake(place, leading_zero()));
        for &(place, sign) in &scan.reversed {
            let message = format!("`={sign}` is an assignment and a sign");
            let help = format!(
                "`{sign}=` changes a variable by a number; a number with a sign has a blank before it, as in `x = {sign}1`"
            );
            self.mistake(place, Error::new(Code::Script, message).with_help(help));
        }
        for &(place, operator) in &scan.defaults {
            let message = format!("`??` comes after `{operator}`: the default is all that follows `??`");
            let help = format!(
                "put what has a default in brackets, as in `(x ?? 0) {operator} 1`; or the default, as in `x ?? (0 {operator} 1)`"
            );
            self.mistake(place, Error::new(Code::Script, message).with_help(help));
        }
        for &place in &scan.escapes {
            let error = Error::new(Code::Script, "`\\n` in backticks is a backslash and an `n`, not the end of a line");
            self.warnings.insert(
                place,
                failure(
                    place,
                    error.with_help(
                        "in double quotes it ends a line: `\"a\\n\"`; in backticks a line ends where it ends",
                    ),
                ),
            );
        }
        for switch in scan.switches.iter().filter(|switch| !switch.kinds.is_empty()) {
            let kinds: Vec<_> = switch.kinds.iter().copied().collect();
            self.edits.replace(switch.start, 0, format!(" {SWITCHED}(("));
            self.edits.replace(switch.open, 0, format!("), \"{}\") ", kinds.join(" ")));
        }
        for &place in &scan.millis {
            let error = Error::new(Code::Script, "this looks like milliseconds, and times are in seconds");
            let help = "without the factor 1000 it is a number of seconds: a day is `24 * 3600`";
            self.warnings.insert(place, failure(place, error.with_help(help)));
        }
        for &place in &scan.dollars {
            let error = Error::new(Code::Script, "`${..}` in double quotes is text, and is not replaced");
            self.warnings.insert(place, failure(place, error.with_help("text in backticks is: `` `total: ${x}` ``")));
        }
    }

    pub(crate) fn mistake(&mut self, place: ScriptPlace, error: Error) {
        self.mistakes.entry(place).or_insert_with(|| failure(place, error));
    }

    fn node(
        &mut self,
        path: &[ASTNode<'_>],
        scan: &ScriptScan,
        calls: &CallableFunctions<'_>,
        (roots, part): (&ValueRoots, usize),
    ) {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::FnCall(call, position)) | ASTNode::Expr(Expr::FnCall(call, position))) => {
                self.call(call, *position, calls);
                self.asked_for_nothing(call, scan);
            }
            Some(ASTNode::Expr(Expr::Index(parts, ..))) if is_place(&parts.rhs) => {
                self.mistake(place(parts.rhs.start_position()), last_place());
            }
            Some(ASTNode::Stmt(Stmt::Assignment(parts))) if parts.0.is_op_assignment() => {
                // Rhai's `+=` of a list adds the lines of a file as one value.
                if let Expr::FnCall(call, position) = &parts.1.rhs
                    && called(call, calls.names).is_some_and(|spec| spec.verb() == "lines")
                    && parts.0.get_op_assignment_info().is_some_and(|info| info.5 == "+")
                {
                    let error = Error::new(Code::Script, "`+=` would add all lines as one value");
                    self.mistake(place(*position), error.with_help("`list.append(..)` adds each of them"));
                }
            }
            Some(ASTNode::Stmt(Stmt::If(parts, _) | Stmt::While(parts, _))) => {
                self.condition(&parts.expr, calls);
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, position))) => {
                let by_place =
                    ["remove", "insert", "sub_string", "extract", "split", "crop"].contains(&call.name.as_str());
                if let Some(at) = call.args.first().filter(|at| by_place && is_place(at)) {
                    self.mistake(place(at.start_position()), last_place());
                }
                if let Some(error) = calls.method(call) {
                    self.mistake(place(*position), error);
                }
                self.in_place(path, call, *position, calls);
                if let ("get", Some(Expr::StringConstant(name, at))) = (call.name.as_str(), call.args.first())
                    && let Some(root @ ValueRoot::Result(..)) = roots.of(part, path)
                {
                    self.asked.push((place(*at), name.to_string(), root));
                }
            }
            Some(ASTNode::Expr(Expr::Property(_, position))) => {
                self.roots.extend(roots.of(part, path).map(|root| (place(*position), root)));
            }
            Some(ASTNode::Expr(Expr::Coalesce(parts, _))) => {
                let last = parts.len().saturating_sub(1);
                parts.iter().take(last).for_each(|part| self.lenient(part, scan, true));
            }
            Some(ASTNode::Expr(Expr::Dot(parts, flags, _))) if flags.intersects(ASTFlags::NEGATED) => {
                // Both the value that may be missing, and its field.
                self.lenient_property(&parts.lhs);
                match &parts.rhs {
                    Expr::Dot(rest, ..) | Expr::Index(rest, ..) => self.lenient_property(&rest.lhs),
                    property => self.lenient_property(property),
                }
            }
            Some(ASTNode::Stmt(Stmt::TryCatch(parts, _))) => self.catch(&parts.expr, &parts.branch),
            Some(ASTNode::Stmt(Stmt::For(parts, position))) => {
                if let Some(counter) = &parts.1
                    && (!is_counter(&counter.name) || is_index(&parts.0.name))
                {
                    let message = match is_index(&parts.0.name) {
                        true => format!(
                            "`{}` would be the entry: the first variable of `for` is the entry, the second counts",
                            parts.0.name
                        ),
                        false => format!("`{}` would be the index: the second variable of `for` counts", counter.name),
                    };
                    let help = "name it `index` if that is meant; of a map, `for key in m.keys() { let value = m[key]; .. }`; of pairs, `for pair in list { pair[0], pair[1] }`";
                    let at = if counter.pos.is_none() { *position } else { counter.pos };
                    self.mistake(place(at), Error::new(Code::Script, message).with_help(help));
                }
            }
            _ => {}
        }
    }

    /// Gives a caught error its fields, and notes an error without a name.
    fn catch(&mut self, variable: &Expr, branch: &StmtBlock) {
        let start = place(branch.position());
        // A script that names the error may handle it.
        let (name, value) = match variable {
            Expr::Variable(variable, ..) => (variable.1.as_str(), format!("{CAUGHT}({})", variable.1)),
            _ => {
                self.edits.replace(start, 0, format!("({UNNAMED}) "));
                (UNNAMED, format!("{SLIPPED}({UNNAMED})"))
            }
        };
        self.edits.replace((start.0, start.1 + 1), 0, format!(" {name} = {value}; "));
        self.lost_value(branch.statements());
    }

    /// Reports fields that are read of a map without them, unless the script checks for them, or sets them.
    fn fields(&mut self, ast: &AST, args: Option<&[String]>) {
        let (mut read, mut named, mut merged) = (Vec::new(), BTreeMap::<_, usize>::new(), false);
        let (mut set, mut keys) = (BTreeMap::<_, Vec<_>>::new(), BTreeSet::new());
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                // In `try`, the script expects the error.
                Some(ASTNode::Expr(Expr::Property(names, position)))
                    if !path.iter().any(|node| matches!(node, ASTNode::Stmt(Stmt::TryCatch(..)))) =>
                {
                    read.push((place(*position), names.2.to_string()));
                }
                Some(ASTNode::Expr(Expr::StringConstant(text, _))) => *named.entry(text.to_string()).or_default() += 1,
                Some(ASTNode::Stmt(Stmt::Assignment(parts))) => {
                    named.extend(assigned(&parts.1.lhs).map(|name| (name, 2)));
                    if let Some(name) = assigned(&parts.1.lhs) {
                        set.entry(name).or_default().push(parts.1.lhs.start_position());
                    }
                }
                Some(ASTNode::Expr(Expr::Map(parts, _))) => {
                    keys.extend(parts.0.iter().map(|(key, _)| key.name.to_string()));
                }
                Some(ASTNode::Expr(Expr::MethodCall(call, _))) => {
                    merged |= matches!(call.name.as_str(), "fill_with" | "mixin");
                }
                _ => {}
            }
            true
        });
        // Fields that are set are also counted as read.
        let mut times_read = BTreeMap::<&str, usize>::new();
        read.iter().for_each(|(_, name)| *times_read.entry(name).or_default() += 1);
        let is_new = |(name, positions): &(String, Vec<Position>)| {
            !keys.contains(name) && times_read.get(name.as_str()).is_none_or(|times| *times <= positions.len())
        };
        // Each is compared with all keys, so only some of very many are.
        for (name, positions) in set.into_iter().filter(is_new).take(NEW_FIELDS) {
            let Some(meant) = did_you_mean(&name, keys.iter().map(String::as_str)) else { continue };
            let message = format!("{} is a new field, and nothing reads it", quoted(&name));
            let error = Error::new(Code::Script, message).with_help(meant);
            self.warnings.extend(positions.into_iter().map(|at| (place(at), failure(place(at), error.clone()))));
        }
        // With a default, a field that never exists always has the default.
        for (place, name, root) in std::mem::take(&mut self.asked) {
            let only = !merged && named.get(&name) == Some(&1);
            if let Some((message, help)) = root.surely_lacks(&name, &[]).filter(|_| only) {
                self.mistake(place, Error::new(Code::Script, message).with_help(help));
            }
        }
        for (place, name) in read {
            let lack = match self.roots.get(&place) {
                Some(ValueRoot::Args) if self.edits.at(place).is_some() => None,
                Some(_) if merged || named.contains_key(&name) => None,
                // Only a misspelled argument is a mistake: any other may be read in a branch that is not taken without it.
                Some(ValueRoot::Args) => args
                    .filter(|args| did_you_mean(&name, args.iter().map(String::as_str)).is_some())
                    .and_then(|args| ValueRoot::Args.lacks(&name, args)),
                Some(root) => root.surely_lacks(&name, &[]),
                None => None,
            };
            if let Some((message, help)) = lack {
                self.mistake(place, Error::new(Code::Script, message).with_help(help));
            }
        }
    }

    /// Reports an operation as a condition, if its result is not a boolean.
    fn condition(&mut self, value: &Expr, calls: &CallableFunctions<'_>) {
        let Expr::FnCall(call, position) = value else { return };
        if call.name == "!" {
            return call.args.iter().for_each(|value| self.condition(value, calls));
        }
        if let Some(spec) = called(call, calls.names).filter(|spec| spec.returns.kind != "bool") {
            let message = format!("`{}` returns {}, not true or false", spec.name, spec.returns.kind);
            let help =
                "an operation that fails is caught: `try { ..; } catch (e) { .. }`; `rex ops` tells what it returns";
            self.mistake(place(*position), Error::new(Code::Script, message).with_help(help));
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position, calls: &CallableFunctions<'_>) {
        if call.is_operator_call() {
            if let Some(error) = added_late(call) {
                self.mistake(place(position), error);
            }
            let is_number = |part: &Expr| matches!(part, Expr::IntegerConstant(..) | Expr::FloatConstant(..));
            let instead = match call.name.as_str() {
                "+" => Some(JOINED),
                "-" => Some(SUBTRACTED),
                "/" => Some(DIVIDED),
                _ => None,
            };
            if let Some(operator) = instead.filter(|_| call.args.len() == 2 && !call.args.iter().any(is_number)) {
                self.edits.replace(place(position), 1, format!(" {operator} "));
            }
            return;
        }
        match calls.function(call) {
            Ok(Some(spec)) => self.edits.replace(place(position), call.name.chars().count(), spec),
            Ok(None) => {}
            Err(errors) => {
                for (at, error) in errors {
                    self.mistake(place(if at.is_none() { position } else { at }), error);
                }
            }
        }
    }

    /// Replaces a method that changes in place by the one that returns a changed copy where the result is used, or reports a mistake.
    fn in_place(&mut self, path: &[ASTNode<'_>], call: &FnCallExpr, position: Position, calls: &CallableFunctions<'_>) {
        let name = call.name.as_str();
        if calls.own.contains_key(name) || !is_used(path) {
            return;
        }
        if let Some((_, copy)) = IN_PLACE.iter().find(|(in_place, _)| *in_place == name) {
            self.edits.replace(place(position), name.chars().count(), *copy);
        } else if NOTHING.contains(&name) && !calls.held.contains(name) {
            let message = format!("`{name}` changes a value in place and returns nothing");
            let help = format!("make it a statement of its own, `x.{name}(..);`, and use `x` after it");
            self.mistake(place(position), Error::new(Code::Script, message).with_help(help));
        }
    }

    /// Makes `m[key] == ()` ask whether the key exists.
    fn asked_for_nothing(&mut self, call: &FnCallExpr, scan: &ScriptScan) {
        if let ("==" | "!=", [one, other]) = (call.name.as_str(), call.args.as_slice()) {
            for (asked, nothing) in [(one, other), (other, one)] {
                if matches!(nothing, Expr::Unit(_)) {
                    self.lenient(asked, scan, false);
                }
            }
        }
    }

    /// Makes the last field of a chain yield `()` if it is missing; a literal name only if `fields` is set.
    fn lenient(&mut self, chain: &Expr, scan: &ScriptScan, fields: bool) {
        match chain {
            Expr::Dot(parts, ..) => match &parts.rhs {
                property @ Expr::Property(..) if fields => self.lenient_property(property),
                rest => self.lenient(rest, scan, fields),
            },
            Expr::Index(parts, flags, position) => {
                if let rest @ (Expr::Dot(..) | Expr::Index(..)) = &parts.rhs
                    && !flags.intersects(ASTFlags::BREAK)
                {
                    return self.lenient(rest, scan, fields);
                }
                let spelled = matches!(parts.rhs, Expr::StringConstant(..));
                let start = place(*position);
                if let Some(&end) = scan.closing.get(&start).filter(|_| fields || !spelled) {
                    self.edits.replace(start, 1, format!(".{ASKED}("));
                    self.edits.replace(end, 1, ")");
                }
            }
            _ => {}
        }
    }

    fn lenient_property(&mut self, property: &Expr) {
        if let Expr::Property(names, position) = property {
            let name = names.2.as_str();
            self.edits.replace(place(*position), name.chars().count(), format!("{ASKED}(\"{name}\")"));
        }
    }

    /// Reports a `catch` block that ends with just a value: the block has no value.
    fn lost_value(&mut self, statements: &[Stmt]) {
        match statements.last() {
            Some(Stmt::Expr(value)) if is_plain(value) => {
                self.mistake(place(value.start_position()), lost());
            }
            Some(Stmt::Switch(parts, position)) if parts.1.expressions.iter().any(|case| ends_plain(&case.rhs)) => {
                self.mistake(place(*position), lost());
            }
            Some(Stmt::If(parts, _)) => {
                self.lost_value(parts.body.statements());
                self.lost_value(parts.branch.statements());
            }
            _ => {}
        }
    }
}

fn lost() -> Error {
    let help = "declare a variable before `try`, and set it in both blocks: `let result = (); try { result = ..; } catch (e) { result = ..; } result`; in a function, `return` it";
    Error::new(Code::Script, "the value of a `catch` block is lost").with_help(help)
}

/// Returns whether a case of a `switch` ends with a value, and does nothing with it.
fn ends_plain(case: &Expr) -> bool {
    match case {
        Expr::Stmt(block) => matches!(block.statements().last(), Some(Stmt::Expr(value)) if is_plain(value)),
        value => is_plain(value),
    }
}

/// Returns whether an expression is a value and does nothing.
pub(super) fn is_plain(value: &Expr) -> bool {
    match value {
        Expr::FnCall(call, _) => call.is_operator_call() && call.args.iter().all(is_plain),
        Expr::Dot(parts, ..) => is_plain(&parts.lhs) && is_plain(&parts.rhs),
        Expr::Index(parts, ..) => is_plain(&parts.lhs) && is_plain(&parts.rhs),
        Expr::Array(parts, _) => parts.iter().all(is_plain),
        Expr::Map(parts, _) => parts.0.iter().all(|(_, value)| is_plain(value)),
        Expr::Unit(_) | Expr::MethodCall(..) | Expr::Stmt(_) => false,
        Expr::Property(..) | Expr::Variable(..) | Expr::InterpolatedString(..) => true,
        other => other.is_constant(),
    }
}

/// Returns whether the result of the method at the end of a path is used.
fn is_used(path: &[ASTNode<'_>]) -> bool {
    let mut nodes = path.iter().rev();
    let Some(&ASTNode::Expr(mut inner)) = nodes.next() else { return false };
    while let Some(node) = nodes.next() {
        match node {
            ASTNode::Expr(outer @ (Expr::Dot(parts, ..) | Expr::Index(parts, ..))) => {
                if std::ptr::eq(&raw const parts.lhs, inner) {
                    return true;
                }
                inner = outer;
            }
            // The value of a block that is an expression, such as `${..}`, is its last statement.
            ASTNode::Stmt(Stmt::Expr(_)) => {
                let outer = nodes.next();
                return matches!(outer, Some(ASTNode::Expr(Expr::Stmt(block))) if block.statements().len() == 1);
            }
            _ => return true,
        }
    }
    false
}

/// Returns whether a name is that of an index, and nothing else.
fn is_index(name: &str) -> bool {
    let name = name.to_lowercase();
    ["i", "idx", "index"].contains(&name.as_str()) || ["_idx", "_index", "_i"].iter().any(|end| name.ends_with(end))
}

/// Returns whether a name shows that the script's author knows it to be an index.
fn is_counter(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "at", "c", "count", "counter", "i", "j", "k2", "line", "lineno", "n", "nr", "num", "offset", "pos", "position",
        "row",
    ];
    let name = name.to_lowercase();
    NAMES.contains(&name.as_str())
        || name.starts_with('_')
        || ["idx", "index", "number", "_i", "_n", "_no", "_nr", "_num"].iter().any(|end| name.ends_with(end))
        || name == "no"
}

/// Returns the functions of a script, each with the numbers of its parameters.
fn own_functions(ast: &AST) -> BTreeMap<String, BTreeSet<usize>> {
    let mut own = BTreeMap::<_, BTreeSet<_>>::new();
    for function in ast.iter_fn_def() {
        own.entry(function.name.to_string()).or_default().insert(function.params.len());
    }
    own
}

/// Returns the names that may hold functions of the script: variables, parameters, keys of maps, fields that it sets.
fn held(ast: &AST) -> BTreeSet<String> {
    let mut held: BTreeSet<String> =
        ast.iter_fn_def().flat_map(|function| function.params.iter().map(|name| name.to_string())).collect();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(parts, ..))) => drop(held.insert(parts.0.name.to_string())),
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => drop(held.insert(parts.0.name.to_string())),
            Some(ASTNode::Expr(Expr::Map(parts, _))) => {
                held.extend(parts.0.iter().map(|(key, _)| key.name.to_string()))
            }
            Some(ASTNode::Stmt(Stmt::Assignment(parts))) => held.extend(assigned(&parts.1.lhs)),
            _ => {}
        }
        true
    });
    held
}

/// Returns the field that an assignment sets.
fn assigned(target: &Expr) -> Option<String> {
    match target {
        Expr::Property(names, _) => Some(names.2.to_string()),
        Expr::Dot(parts, ..) => assigned(&parts.rhs),
        Expr::Index(parts, ..) => match &parts.rhs {
            Expr::StringConstant(name, _) => Some(name.to_string()),
            rest => assigned(rest),
        },
        _ => None,
    }
}
