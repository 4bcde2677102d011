//! The single generic binder from operations to Rhai's modules.

use std::collections::BTreeMap;

use rex_sdk::Operation;
use rhai::{Dynamic, EvalAltResult, FuncRegistration, Module, NativeCallContext};

use crate::active;

/// Returns the modules of these operations by namespace. They have no plain name such as `read`: a script that calls it is
/// compiled as if it had the full name.
pub(crate) fn modules(operations: &[&'static dyn Operation]) -> BTreeMap<&'static str, Module> {
    let mut modules = BTreeMap::new();
    for &operation in operations {
        let spec = operation.spec();
        bind(modules.entry(spec.namespace()).or_default(), spec.verb(), operation);
    }
    modules
}

/// Registers an operation for each number of arguments from zero to one too many, so that a call with too few or too
/// many gets the operation's own error, which shows the correct call.
fn bind(module: &mut Module, name: &str, operation: &'static dyn Operation) {
    macro_rules! arity {
        ($($arg:ident),*) => {
            // Volatile: it reaches the system, so no optimizer may call it while compiling.
            FuncRegistration::new(name).with_volatility(true).set_into_module(
                module,
                move |context: NativeCallContext, $($arg: Dynamic),*| invoke(operation, &context, vec![$($arg),*]),
            );
        };
    }
    let params = operation.spec().required().count() + 2;
    arity!();
    arity!(a);
    arity!(a, b);
    if params > 2 {
        arity!(a, b, c);
    }
    if params > 3 {
        arity!(a, b, c, d);
    }
    if params > 4 {
        arity!(a, b, c, d, e);
    }
}

fn invoke(
    operation: &'static dyn Operation,
    context: &NativeCallContext<'_>,
    args: Vec<Dynamic>,
) -> Result<Dynamic, Box<EvalAltResult>> {
    active::invoke(operation, args, context.call_position())
}
