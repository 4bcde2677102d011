//! The parts of a script: its own statements, and each function and closure, apart from one another.

use rhai::{AST, Module};

/// The statements of a script outside of functions, or one function or closure.
pub(crate) struct Part {
    /// The name; empty for the script itself.
    pub(crate) name: String,
    pub(crate) params: Vec<String>,
    pub(crate) tree: AST,
}

impl Part {
    /// The parts of a script, the script itself first.
    pub(crate) fn all(ast: &AST) -> Vec<Self> {
        let tree = AST::new(ast.statements().iter().cloned(), Module::new());
        let script = Self { name: String::new(), params: Vec::new(), tree };
        let functions = ast.iter_fn_def().map(|function| Self {
            name: function.name.to_string(),
            params: function.params.iter().map(ToString::to_string).collect(),
            tree: AST::new([], Module::from([function.clone()])),
        });
        std::iter::once(script).chain(functions).collect()
    }

    /// Whether it was written without a name.
    pub(crate) fn is_closure(&self) -> bool {
        is_closure(&self.name)
    }
}

/// Whether this is the name that Rhai gives a closure.
pub(crate) fn is_closure(name: &str) -> bool {
    name.starts_with("anon$")
}
