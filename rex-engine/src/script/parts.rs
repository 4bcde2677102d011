//! The parts of a script: its own statements, and each function and closure, separately.

use rhai::{AST, ASTNode, Module, Stmt};

/// The statements of a script outside of functions, or one function or closure.
pub(crate) struct ScriptPart<'a> {
    /// The name; empty for the script itself.
    pub(crate) name: String,
    pub(crate) params: Vec<String>,
    /// The statements of the script itself; empty for a function.
    statements: &'a [Stmt],
    /// A tree that has only the function.
    function: Option<AST>,
}

impl<'a> ScriptPart<'a> {
    /// Returns the parts of a script, the script itself first.
    pub(crate) fn all(ast: &'a AST) -> Vec<Self> {
        let script = Self { name: String::new(), params: Vec::new(), statements: ast.statements(), function: None };
        let functions = ast.iter_fn_def().map(|function| Self {
            name: function.name.to_string(),
            params: function.params.iter().map(ToString::to_string).collect(),
            statements: &[],
            function: Some(AST::new([], Module::from([function.clone()]))),
        });
        std::iter::once(script).chain(functions).collect()
    }

    /// Visits each node with the path to it, as [`AST::walk`] does.
    pub(crate) fn walk(&self, visit: &mut impl FnMut(&[ASTNode<'_>]) -> bool) {
        let all = self.statements.iter().all(|statement| statement.walk(&mut Vec::new(), visit));
        if let Some(function) = self.function.as_ref().filter(|_| all) {
            function.walk(visit);
        }
    }

    /// Returns whether the part is a function without a name.
    pub(crate) fn is_closure(&self) -> bool {
        is_closure(&self.name)
    }
}

/// Returns whether this is a name that Rhai gives to a closure.
pub(crate) fn is_closure(name: &str) -> bool {
    name.starts_with("anon$")
}
