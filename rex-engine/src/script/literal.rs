//! Calls of pure functions and operators with literal arguments: those that always fail are reported before the script runs.

use rex_core::{Code, Error};
use rhai::{AST, ASTNode, Dynamic, Engine, EvalAltResult, Expr, FnCallExpr, Map, Module, Position, Stmt};

use super::check::place;
use super::names::FunctionNames;
use super::scan::ScriptPlace;

/// Returns the failures of such calls, except in `try`, where the script expects them.
pub(super) fn failures(engine: &Engine, names: &FunctionNames, ast: &AST) -> Vec<(ScriptPlace, Error)> {
    let mut calls = Vec::new();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position))) =
            path.last()
            && is_known(call)
            && !path.iter().any(|node| matches!(node, ASTNode::Stmt(Stmt::TryCatch(..))))
        {
            calls.push((call.clone(), *position));
        }
        true
    });
    calls
        .into_iter()
        .filter_map(|(call, position)| Some((place(position), failure(engine, names, call, position)?)))
        .collect()
}

fn is_known(call: &FnCallExpr) -> bool {
    let namespace = call.namespace.to_string();
    !call.args.is_empty()
        && namespace != "random"
        && call.args.iter().all(|arg| arg.get_literal_value(None).is_some())
        && (call.is_operator_call() || FunctionNames::is_pure(&namespace))
}

fn failure(engine: &Engine, names: &FunctionNames, call: Box<FnCallExpr>, position: Position) -> Option<Error> {
    let calls = names.calls(&call.namespace.to_string(), &call.name);
    let statement = Stmt::Expr(Box::new(Expr::FnCall(call, position)));
    match *engine.eval_ast::<Dynamic>(&AST::new([statement], Module::new())).err()? {
        EvalAltResult::ErrorRuntime(thrown, _) => {
            let map = thrown.try_cast::<Map>()?;
            let text = |key: &str| map.get(key).and_then(|value| value.clone().into_string().ok());
            let code = text("code").and_then(|code| Code::ALL.iter().copied().find(|known| known.as_str() == code));
            Some(Error { help: text("help"), ..Error::new(code.unwrap_or(Code::Script), text("message")?) })
        }
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            let error = Error::new(Code::Script, crate::failure::not_taken(&signature));
            Some(Error { help: calls, ..error })
        }
        _ => None,
    }
}
