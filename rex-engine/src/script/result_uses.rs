//! The fields that a script reads of its operations' results. Some results report that nothing was done, or that it failed; if a
//! script reads no such field, its run has a warning.

use std::collections::BTreeSet;

use rex_core::{Code, Error, Value};
use rhai::{AST, ASTNode, Expr};

use super::scan::ScriptPlace;

/// A kind of result that may report a failure, identified by its fields.
struct FailableResult {
    /// The fields that report a failure.
    fields: &'static [&'static str],
    /// The fields that a script may read without reading `fields`. A result of this kind has all of `fields`, and one of these.
    others: &'static [&'static str],
    /// A function that describes the failure, if the result reports one.
    failed: fn(&Value) -> Option<String>,
}

const TELLING: &[FailableResult] = &[
    FailableResult {
        fields: &["success", "status", "signal", "timed_out"],
        others: &["stdout", "stderr"],
        failed: program,
    },
    FailableResult { fields: &["reached", "active", "sub"], others: &["unit"], failed: unreached },
    FailableResult { fields: &["count"], others: &["diff"], failed: unreplaced },
    FailableResult { fields: &["status"], others: &["headers", "body", "url"], failed: answer },
    FailableResult {
        fields: &["complete", "why"],
        others: &["matches", "count", "lines", "words", "bytes"],
        failed: partial,
    },
];

/// The results that a script reads, and those that it drops.
#[derive(Default)]
pub(crate) struct ResultUses {
    /// Its calls of operations whose results are not used.
    dropped: BTreeSet<ScriptPlace>,
    /// The fields of such results that the script names, on any value.
    named: BTreeSet<&'static str>,
}

impl ResultUses {
    pub(super) fn new(ast: &AST, dropped: BTreeSet<ScriptPlace>) -> Self {
        let mut named = BTreeSet::new();
        let fields = || TELLING.iter().flat_map(|telling| telling.fields.iter().chain(telling.others));
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            let name = match path.last() {
                Some(ASTNode::Expr(Expr::Property(names, _))) => names.2.as_str(),
                Some(ASTNode::Expr(Expr::StringConstant(text, _))) => text.as_str(),
                _ => return true,
            };
            named.extend(fields().find(|field| **field == name));
            true
        });
        Self { dropped, named }
    }

    /// Returns the warning for a result that reports a failure, if the script ignores that.
    pub(crate) fn unheeded(&self, operation: &str, place: ScriptPlace, answer: &Value) -> Option<Error> {
        let is_dropped = self.dropped.contains(&place);
        let (failed, help) = match answer {
            Value::Bool(false) if is_dropped => {
                (format!("`{operation}` returned false"), "the script ignores that: check the result".to_owned())
            }
            Value::Map(map) => {
                let has = |field: &&'static str| map.contains_key(*field);
                let told = |telling: &&FailableResult| telling.fields.iter().all(has) && telling.others.iter().any(has);
                let telling = TELLING.iter().find(told)?;
                let names = |fields: &[&'static str]| fields.iter().any(|field| self.named.contains(field));
                let is_blind = is_dropped || names(telling.others) && !names(telling.fields);
                let failed = (telling.failed)(answer).filter(|_| is_blind)?;
                let field = telling.fields.first()?;
                (failed, format!("the script ignores that: check `{field}` of the result"))
            }
            _ => return None,
        };
        Some(Error::new(Code::Script, failed).with_help(help))
    }
}

fn field<'a>(answer: &'a Value, name: &str) -> Option<&'a Value> {
    match answer {
        Value::Map(map) => map.get(name),
        _ => None,
    }
}

fn program(answer: &Value) -> Option<String> {
    if field(answer, "success")? != &Value::Bool(false) {
        return None;
    }
    Some(match (field(answer, "status"), field(answer, "signal")) {
        (Some(Value::Int(status)), _) => format!("the program failed with the status {status}"),
        (_, Some(Value::Text(signal))) => format!("the program was ended by {signal}"),
        _ => "the program failed".to_owned(),
    })
}

fn unreached(answer: &Value) -> Option<String> {
    (field(answer, "reached")? == &Value::Bool(false)).then(|| "the unit did not get there in time".to_owned())
}

fn unreplaced(answer: &Value) -> Option<String> {
    (field(answer, "count")? == &Value::Int(0)).then(|| "nothing was replaced: the file holds no such text".to_owned())
}

fn partial(answer: &Value) -> Option<String> {
    match (field(answer, "complete")?, field(answer, "why")?) {
        (Value::Bool(false), Value::Text(why)) => Some(format!("the result is not complete: {why}")),
        _ => None,
    }
}

fn answer(answer: &Value) -> Option<String> {
    match field(answer, "status")? {
        Value::Int(status) if *status >= 400 => Some(format!("the server answered with the status {status}")),
        _ => None,
    }
}
