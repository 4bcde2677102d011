//! The origins of the fields that a script reads, so that an error about one can list those that exist.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use rex_core::nearest::did_you_mean;
use rex_sdk::{OPS, OpSpec};
use rhai::{ASTFlags, ASTNode, Expr, FnPtr, Stmt};
use serde_json::Value as Json;

use super::names::{FunctionNames, list, quoted};
use super::parts::{ScriptPart, is_closure};

/// The origin of a map that a field is read from.
#[derive(Debug, Clone)]
pub(crate) enum ValueRoot {
    /// The arguments of the script.
    Args,
    /// A part of the result of an operation.
    Result(&'static OpSpec, Vec<FieldStep>),
}

/// A step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FieldStep {
    Field(String),
    Item,
}

impl ValueRoot {
    /// Returns the fields of such a map in the operation's example; empty if that does not show them.
    pub(crate) fn fields(&self) -> Vec<String> {
        let Self::Result(spec, steps) = self else { return Vec::new() };
        let example: Json = serde_json::from_str(spec.example.returns).unwrap_or_default();
        part_of(&example, steps).and_then(Json::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default()
    }

    /// Returns a message and advice if such a map, as far as is known, has no field of this name. `args` are the names of the script's
    /// arguments.
    pub(crate) fn lacks(&self, name: &str, args: &[String]) -> Option<(String, String)> {
        let known = |fields: &[String]| match did_you_mean(name, fields.iter().map(String::as_str)) {
            Some(meant) => meant,
            None if fields.is_empty() => "there are none".to_owned(),
            None => format!("there are {}", list(fields.iter().map(String::as_str))),
        };
        let quoted = quoted(name);
        let plain = quoted.trim_matches('`');
        let fields = self.fields();
        match self {
            Self::Args if !args.iter().any(|arg| arg == name) => {
                let asks = format!(
                    "`\"{plain}\" in args` asks whether it was given, `args.get(\"{plain}\", default)` takes a default"
                );
                Some((format!("there is no argument {quoted}"), format!("{}; {asks}", known(args))))
            }
            Self::Result(spec, _) if !fields.is_empty() && !fields.iter().any(|field| field == name) => {
                Some((format!("the result of `{}` has no field {quoted} there", spec.name), known(&fields)))
            }
            _ => None,
        }
    }

    /// Returns a message and advice if the map surely has no field of this name, before the script runs. A map whose keys come from the
    /// host may have any field, and an option may add a field that another operation returns.
    pub(crate) fn surely_lacks(&self, name: &str, args: &[String]) -> Option<(String, String)> {
        if let Self::Result(spec, steps) = self {
            let told = |name: &str| {
                let mut docs = spec.params.iter().map(|param| param.doc).chain([spec.returns.doc, spec.doc]);
                let quoted = format!("`{name}`");
                docs.any(|doc| doc.contains(&quoted))
            };
            let is_open = spec.returns.has_any_keys() || matches!(steps.last(), Some(FieldStep::Field(_)));
            let elsewhere = || {
                let mut examples = OPS.iter().map(|operation| operation.spec().example.returns);
                let key = format!("\"{name}\":");
                examples.any(|example| example.contains(&key))
            };
            if is_open || told(name) || elsewhere() {
                return None;
            }
        }
        self.lacks(name, args)
    }

    fn step(self, step: FieldStep) -> Option<Self> {
        match self {
            Self::Args => None,
            Self::Result(spec, mut steps) => {
                steps.push(step);
                Some(Self::Result(spec, steps))
            }
        }
    }
}

fn part_of<'a>(example: &'a Json, steps: &[FieldStep]) -> Option<&'a Json> {
    steps.iter().try_fold(example, |value, step| match step {
        FieldStep::Field(name) => value.get(name),
        FieldStep::Item => value.get(0),
    })
}

/// Returns all fields, at any depth, of the examples of these operations.
pub(crate) fn all_fields(operations: &BTreeMap<&'static str, &'static OpSpec>) -> BTreeSet<String> {
    fn add(value: &Json, fields: &mut BTreeSet<String>) {
        match value {
            Json::Object(map) => map.iter().for_each(|(key, value)| {
                fields.insert(key.clone());
                add(value, fields);
            }),
            Json::Array(values) => values.iter().for_each(|value| add(value, fields)),
            _ => {}
        }
    }
    let mut fields = BTreeSet::new();
    for spec in operations.values() {
        add(&serde_json::from_str(spec.example.returns).unwrap_or_default(), &mut fields);
    }
    fields
}

/// The origins of the values of a script's variables, as far as its text shows them.
pub(crate) struct ValueRoots {
    /// The origins, by the part of the script and the name.
    variables: HashMap<(usize, String), Option<ValueRoot>>,
    /// Number of variables that each closure captures, by its part of the script.
    taken: HashMap<usize, usize>,
    /// The operations that the script calls.
    pub(crate) operations: BTreeMap<&'static str, &'static OpSpec>,
}

/// A closure where it is written: the part of the script that it is in, the number of variables that it captures, the entry of a list
/// that it is called with, and which of its parameters gets that.
struct WrittenClosure {
    within: usize,
    taken: usize,
    item: Option<ValueRoot>,
    of: fn(usize) -> bool,
}

impl ValueRoots {
    pub(crate) fn new(parts: &[ScriptPart<'_>], names: &FunctionNames) -> Self {
        let mut roots = Self { variables: HashMap::new(), taken: HashMap::new(), operations: BTreeMap::new() };
        let numbers: HashMap<_, _> =
            parts.iter().enumerate().map(|(number, part)| (part.name.as_str(), number)).collect();
        let mut left: VecDeque<_> = parts.iter().enumerate().filter(|(_, part)| !part.is_closure()).collect();
        // A closure is read after the part that it is in, whose variables it may capture.
        while let Some((number, part)) = left.pop_front() {
            for (name, written) in roots.read(number, part, names) {
                if let Some((&inner, closure)) =
                    numbers.get(name.as_str()).and_then(|number| Some((number, parts.get(*number)?)))
                    && !roots.taken.contains_key(&inner)
                {
                    roots.enter(inner, closure, written);
                    left.push_back((inner, closure));
                }
            }
        }
        roots
    }

    /// Declares the parameters of a closure.
    fn enter(&mut self, number: usize, closure: &ScriptPart<'_>, written: WrittenClosure) {
        self.taken.insert(number, written.taken);
        for (at, name) in closure.params.iter().enumerate() {
            let root = match at.checked_sub(written.taken) {
                None => self.variables.get(&(written.within, name.clone())).cloned().flatten(),
                Some(own) => written.item.clone().filter(|_| (written.of)(own)),
            };
            self.declare(number, name, root);
        }
    }

    /// Returns the parameters of a function or a closure that get a value when it is called; empty if they are not known.
    pub(crate) fn own_params<'p>(&self, number: usize, part: &'p ScriptPart<'_>) -> &'p [String] {
        let taken = if part.is_closure() { self.taken.get(&number).copied() } else { Some(0) };
        taken.and_then(|taken| part.params.get(taken..)).unwrap_or_default()
    }

    /// Reads one part; returns the closures in it.
    fn read(&mut self, number: usize, part: &ScriptPart<'_>, names: &FunctionNames) -> Vec<(String, WrittenClosure)> {
        if !part.is_closure() {
            part.params.iter().for_each(|name| self.declare(number, name, None));
        }
        let mut closures = Vec::new();
        part.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                    if let Some(spec) = called(call, names) {
                        self.operations.insert(spec.name, spec);
                    }
                    let written = curried(call);
                    closures.extend(written.map(|(name, taken)| {
                        (name, WrittenClosure { within: number, taken, item: None, of: |_| false })
                    }));
                }
                Some(ASTNode::Expr(Expr::MethodCall(call, _))) => {
                    let of: Option<fn(usize) -> bool> = match call.name.as_str() {
                        "filter" | "map" | "for_each" | "some" | "all" | "find" | "index_of" | "retain" | "drain" => {
                            Some(|own| own == 0)
                        }
                        "sort" | "sort_by" | "order" | "order_by" => Some(|_| true),
                        "reduce" | "reduce_rev" => Some(|own| own == 1),
                        _ => None,
                    };
                    if let (Some(of), Some((name, taken))) = (of, call.args.first().and_then(closure)) {
                        let item = self.of(number, path).and_then(|root| root.step(FieldStep::Item));
                        closures.push((name, WrittenClosure { within: number, taken, item, of }));
                    }
                }
                Some(ASTNode::Expr(expr)) => {
                    let written = closure(expr);
                    closures.extend(written.map(|(name, taken)| {
                        (name, WrittenClosure { within: number, taken, item: None, of: |_| false })
                    }));
                }
                Some(ASTNode::Stmt(Stmt::Var(parts, ..))) => {
                    let root = self.root(number, &parts.1, names);
                    self.declare(number, &parts.0.name, root);
                }
                Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                    let root = self.root(number, &parts.2.expr, names).and_then(|root| root.step(FieldStep::Item));
                    self.declare(number, &parts.0.name, root);
                }
                Some(ASTNode::Stmt(Stmt::Assignment(parts))) => {
                    if let Expr::Variable(variable, ..) = &parts.1.lhs {
                        self.variables.insert((number, variable.1.to_string()), None);
                    }
                }
                _ => {}
            }
            true
        });
        closures
    }

    /// Declares a variable. A name that is declared twice has no known origin.
    fn declare(&mut self, part: usize, name: &str, root: Option<ValueRoot>) {
        let key = (part, name.to_owned());
        let known = self.variables.contains_key(&key);
        self.variables.insert(key, root.filter(|_| !known));
    }

    /// Returns the origin of the value whose field or method is at the end of a path.
    pub(crate) fn of(&self, part: usize, path: &[ASTNode<'_>]) -> Option<ValueRoot> {
        let mut nodes = path.iter().rev();
        let ASTNode::Expr(end) = nodes.next()? else { return None };
        let mut chain = *end;
        for node in nodes {
            match node {
                ASTNode::Expr(outer @ (Expr::Dot(..) | Expr::Index(..))) => chain = outer,
                _ => break,
            }
        }
        self.follow(part, chain, Some(end), None)
    }

    /// Returns the words that a field can have, if an expression reads a field with known words.
    pub(crate) fn words(&self, part: usize, value: &Expr) -> Option<(String, &'static [&'static str])> {
        let (spec, name, _) = self.reads(part, value)?;
        Some((format!("`{name}` of `{}`", spec.name), spec.words(&name)?))
    }

    /// Returns the field of a result that an expression reads.
    pub(crate) fn field(&self, part: usize, value: &Expr) -> Option<String> {
        self.reads(part, value).map(|(_, name, _)| name)
    }

    /// Returns the field of a result that an expression reads, if that holds a path, which is always absolute.
    pub(crate) fn path(&self, part: usize, value: &Expr) -> Option<String> {
        let (spec, name, steps) = self.reads(part, value)?;
        let example: Json = serde_json::from_str(spec.example.returns).ok()?;
        // A mount has a source, and its target is a path; the target of a link need not be absolute.
        let within = || part_of(&example, steps.split_last()?.1)?.get("source");
        let is_path = matches!(name.as_str(), "path" | "exe" | "directory") || name == "target" && within().is_some();
        let shown = part_of(&example, &steps).and_then(Json::as_str);
        (is_path && shown?.starts_with('/')).then(|| format!("`{name}` of `{}`", spec.name))
    }

    fn reads(&self, part: usize, value: &Expr) -> Option<(&'static OpSpec, String, Vec<FieldStep>)> {
        match self.follow(part, value, None, None)? {
            ValueRoot::Result(spec, steps) => match steps.last()? {
                FieldStep::Field(name) => Some((spec, name.clone(), steps)),
                FieldStep::Item => None,
            },
            ValueRoot::Args => None,
        }
    }

    fn root(&self, part: usize, value: &Expr, names: &FunctionNames) -> Option<ValueRoot> {
        self.follow(part, value, None, Some(names))
    }

    /// Follows a chain from its start, up to `end` if there is one.
    fn follow(
        &self,
        part: usize,
        chain: &Expr,
        end: Option<&Expr>,
        names: Option<&FunctionNames>,
    ) -> Option<ValueRoot> {
        let mut parts = Vec::new();
        flatten(chain, false, &mut parts);
        let mut parts = parts.into_iter();
        let mut root = match parts.next()? {
            AccessLink::Value(Expr::Variable(variable, ..)) if variable.1 == "args" => ValueRoot::Args,
            AccessLink::Value(Expr::Variable(variable, ..)) => {
                self.variables.get(&(part, variable.1.to_string()))?.clone()?
            }
            AccessLink::Value(Expr::FnCall(call, _)) => {
                let spec = match names {
                    Some(names) => called(call, names)?,
                    None => *self.operations.get(format!("{}::{}", call.namespace, call.name).as_str())?,
                };
                ValueRoot::Result(spec, Vec::new())
            }
            _ => return None,
        };
        for part in parts {
            root = match part {
                AccessLink::Value(value) if end.is_some_and(|end| std::ptr::eq(value, end)) => return Some(root),
                AccessLink::Value(Expr::Property(names, _)) => root.step(FieldStep::Field(names.2.to_string()))?,
                // These methods leave the entries of a list unchanged.
                AccessLink::Value(Expr::MethodCall(call, _))
                    if matches!(call.name.as_str(), "filter" | "order" | "order_by" | "reversed") =>
                {
                    root
                }
                AccessLink::Value(Expr::MethodCall(call, _))
                    if matches!(call.name.as_str(), "pop" | "shift" | "find") =>
                {
                    root.step(FieldStep::Item)?
                }
                AccessLink::Value(_) => return None,
                AccessLink::Index(Expr::StringConstant(name, _)) => root.step(FieldStep::Field(name.to_string()))?,
                AccessLink::Index(_) => root.step(FieldStep::Item)?,
            };
        }
        end.is_none().then_some(root)
    }
}

/// Returns the name of the closure that an expression is, and the number of variables that it captures.
pub(super) fn closure(value: &Expr) -> Option<(String, usize)> {
    match value {
        // Captured variables are shared first.
        Expr::Stmt(block) => match block.statements().last()? {
            Stmt::Expr(value) => closure(value),
            Stmt::FnCall(call, _) => curried(call),
            _ => None,
        },
        Expr::FnCall(call, _) => curried(call),
        Expr::DynamicConstant(value, _) => {
            let function = value.read_lock::<FnPtr>()?;
            is_closure(function.fn_name()).then(|| (function.fn_name().to_owned(), 0))
        }
        _ => None,
    }
}

fn curried(call: &rhai::FnCallExpr) -> Option<(String, usize)> {
    let (function, taken) = call.args.split_first().filter(|_| call.name == "curry")?;
    Some((closure(function)?.0, taken.len()))
}

/// Returns the operation that a function call uses.
pub(super) fn called(call: &rhai::FnCallExpr, names: &FunctionNames) -> Option<&'static OpSpec> {
    if call.namespace.is_empty() {
        names.alias(&call.name)
    } else {
        names.operation(&format!("{}::{}", call.namespace, call.name))
    }
}

enum AccessLink<'a> {
    Value(&'a Expr),
    Index(&'a Expr),
}

/// Lists the parts of a chain in order: for `a.b[c].d`, the variable `a`, the property `b`, the index `c`, the property `d`.
fn flatten<'a>(chain: &'a Expr, index: bool, parts: &mut Vec<AccessLink<'a>>) {
    let part = |expr| if index { AccessLink::Index(expr) } else { AccessLink::Value(expr) };
    match chain {
        Expr::Dot(inner, ..) => {
            match &inner.lhs {
                lhs @ (Expr::Dot(..) | Expr::Index(..)) if !index => flatten(lhs, false, parts),
                lhs => parts.push(part(lhs)),
            }
            flatten(&inner.rhs, false, parts);
        }
        Expr::Index(inner, flags, _) => {
            match &inner.lhs {
                lhs @ (Expr::Dot(..) | Expr::Index(..)) if !index => flatten(lhs, false, parts),
                lhs => parts.push(part(lhs)),
            }
            if flags.intersects(ASTFlags::BREAK) {
                parts.push(AccessLink::Index(&inner.rhs));
            } else {
                flatten(&inner.rhs, true, parts);
            }
        }
        other => parts.push(part(other)),
    }
}
