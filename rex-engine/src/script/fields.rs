//! Where the fields that a script reads come from, so that an error about one can say which there are.

use std::collections::{BTreeMap, BTreeSet};

use rex_core::nearest::did_you_mean;
use rex_sdk::{OPS, OpSpec};
use rhai::{AST, ASTFlags, ASTNode, Expr, Stmt};
use serde_json::Value as Json;

use super::names::{Names, list, quoted};

/// The origin of a map that a field is read from.
#[derive(Debug, Clone)]
pub(crate) enum Root {
    /// The arguments of the script.
    Args,
    /// A part of what an operation returns.
    Result(&'static OpSpec, Vec<Step>),
}

/// A step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    Item,
}

impl Root {
    /// The fields of such a map in the operation's example; none if that does not show them.
    pub(crate) fn fields(&self) -> Vec<String> {
        let Self::Result(spec, steps) = self else { return Vec::new() };
        let example: Json = serde_json::from_str(spec.example.returns).unwrap_or_default();
        let part = steps.iter().try_fold(&example, |value, step| match step {
            Step::Field(name) => value.get(name),
            Step::Item => value.get(0),
        });
        part.and_then(Json::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default()
    }

    /// What is wrong with a field, and advice, if such a map has no field of this name as far as is known. `args` are the names of
    /// the script's arguments.
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

    /// The same, where it is known before the script runs. A map whose keys come from the host may have any field, and an option
    /// may add what another operation tells, too.
    pub(crate) fn surely_lacks(&self, name: &str, args: &[String]) -> Option<(String, String)> {
        if let Self::Result(spec, steps) = self {
            let told = |name: &str| {
                let mut docs = spec.params.iter().map(|param| param.doc).chain([spec.returns.doc, spec.doc]);
                let quoted = format!("`{name}`");
                docs.any(|doc| doc.contains(&quoted))
            };
            let is_open = spec.returns.has_any_keys() || matches!(steps.last(), Some(Step::Field(_)));
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

    fn step(self, step: Step) -> Option<Self> {
        match self {
            Self::Args => None,
            Self::Result(spec, mut steps) => {
                steps.push(step);
                Some(Self::Result(spec, steps))
            }
        }
    }
}

/// All fields, at any depth, of the examples of these operations.
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

/// What the variables of a script hold, as far as its text says it.
pub(crate) struct Roots {
    variables: BTreeMap<String, Option<Root>>,
    /// The operations that the script calls.
    pub(crate) operations: BTreeMap<&'static str, &'static OpSpec>,
}

impl Roots {
    pub(crate) fn new(ast: &AST, names: &Names) -> Self {
        let mut roots = Self { variables: BTreeMap::new(), operations: BTreeMap::new() };
        for function in ast.iter_fn_def() {
            roots.variables.extend(function.params.iter().map(|name| (name.to_string(), None)));
        }
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                    if let Some(spec) = called(call, names) {
                        roots.operations.insert(spec.name, spec);
                    }
                }
                Some(ASTNode::Stmt(Stmt::Var(parts, ..))) => {
                    let root = roots.root(&parts.1, names);
                    roots.declare(&parts.0.name, root);
                }
                Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                    let root = roots.root(&parts.2.expr, names).and_then(|root| root.step(Step::Item));
                    roots.declare(&parts.0.name, root);
                }
                Some(ASTNode::Stmt(Stmt::Assignment(parts))) => {
                    if let Expr::Variable(variable, ..) = &parts.1.lhs {
                        roots.variables.insert(variable.1.to_string(), None);
                    }
                }
                _ => {}
            }
            true
        });
        roots
    }

    /// A name that is declared twice may hold either.
    fn declare(&mut self, name: &str, root: Option<Root>) {
        let known = self.variables.contains_key(name);
        self.variables.insert(name.to_owned(), root.filter(|_| !known));
    }

    /// The origin of the map that the field at the end of a path is read from.
    pub(crate) fn of(&self, path: &[ASTNode<'_>]) -> Option<Root> {
        let mut nodes = path.iter().rev();
        let ASTNode::Expr(property) = nodes.next()? else { return None };
        let mut chain = *property;
        for node in nodes {
            match node {
                ASTNode::Expr(outer @ (Expr::Dot(..) | Expr::Index(..))) => chain = outer,
                _ => break,
            }
        }
        self.follow(chain, Some(property), None)
    }

    fn root(&self, value: &Expr, names: &Names) -> Option<Root> {
        self.follow(value, None, Some(names))
    }

    /// Follows a chain from its start, up to a part of it if one is named.
    fn follow(&self, chain: &Expr, end: Option<&Expr>, names: Option<&Names>) -> Option<Root> {
        let mut parts = Vec::new();
        flatten(chain, false, &mut parts);
        let mut parts = parts.into_iter();
        let mut root = match parts.next()? {
            Part::Value(Expr::Variable(variable, ..)) if variable.1 == "args" => Root::Args,
            Part::Value(Expr::Variable(variable, ..)) => self.variables.get(variable.1.as_str())?.clone()?,
            Part::Value(Expr::FnCall(call, _)) => {
                let spec = match names {
                    Some(names) => called(call, names)?,
                    None => *self.operations.get(format!("{}::{}", call.namespace, call.name).as_str())?,
                };
                Root::Result(spec, Vec::new())
            }
            _ => return None,
        };
        for part in parts {
            root = match part {
                Part::Value(value) if end.is_some_and(|end| std::ptr::eq(value, end)) => return Some(root),
                Part::Value(Expr::Property(names, _)) => root.step(Step::Field(names.2.to_string()))?,
                // These keep the entries of a list as they are.
                Part::Value(Expr::MethodCall(call, _))
                    if matches!(call.name.as_str(), "filter" | "order" | "order_by" | "reversed") =>
                {
                    root
                }
                Part::Value(Expr::MethodCall(call, _)) if matches!(call.name.as_str(), "pop" | "shift" | "find") => {
                    root.step(Step::Item)?
                }
                Part::Value(_) => return None,
                Part::Index(Expr::StringConstant(name, _)) => root.step(Step::Field(name.to_string()))?,
                Part::Index(_) => root.step(Step::Item)?,
            };
        }
        end.is_none().then_some(root)
    }
}

fn called(call: &rhai::FnCallExpr, names: &Names) -> Option<&'static OpSpec> {
    if call.namespace.is_empty() {
        names.alias(&call.name)
    } else {
        names.operation(&format!("{}::{}", call.namespace, call.name))
    }
}

enum Part<'a> {
    Value(&'a Expr),
    Index(&'a Expr),
}

/// The parts of a chain in their order: of `a.b[c].d`, the variable `a`, the property `b`, the index `c`, the property `d`.
fn flatten<'a>(chain: &'a Expr, index: bool, parts: &mut Vec<Part<'a>>) {
    let part = |expr| if index { Part::Index(expr) } else { Part::Value(expr) };
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
                parts.push(Part::Index(&inner.rhs));
            } else {
                flatten(&inner.rhs, true, parts);
            }
        }
        other => parts.push(part(other)),
    }
}
