//! The one generic binder from operations to Rhai's modules.

use std::collections::BTreeMap;

use rex_sdk::Operation;
use rhai::{Blob, Dynamic, EvalAltResult, FuncRegistration, ImmutableString, Map, Module, NativeCallContext};

use crate::active;
use crate::convert::to_dynamic;

/// The modules of these operations by their namespace; the plain names are in the module without one (`""`).
pub(crate) fn modules(operations: &[&'static dyn Operation]) -> BTreeMap<&'static str, Module> {
    let mut modules = BTreeMap::from([("", Module::new())]);
    for &operation in operations {
        let spec = operation.spec();
        bind(modules.entry(spec.namespace()).or_default(), spec.verb(), operation);
        for alias in spec.aliases {
            let plain = modules.entry("").or_default();
            bind(plain, alias, operation);
            outbid(plain, alias, operation);
        }
    }
    modules
}

/// Registers an operation for each number of arguments from none to one too many, so that a call with too few or too
/// many gets the operation's own error, which says how it is called.
fn bind(module: &mut Module, name: &str, operation: &'static dyn Operation) {
    macro_rules! arity {
        ($($arg:ident),*) => {
            // Volatile: it reaches the system, so no optimiser may call it while compiling.
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

/// Registers a plain name for exact types too. Rhai prefers a function whose types fit exactly, and has some of its own
/// under the same names: `append(text, text)` would change a copy of a text, and say nothing.
fn outbid(module: &mut Module, name: &str, operation: &'static dyn Operation) {
    macro_rules! exact {
        ($($arg:ident: $type:ty),*) => {
            FuncRegistration::new(name).with_volatility(true).set_into_module(
                module,
                move |context: NativeCallContext, $($arg: $type),*| invoke(operation, &context, vec![$(Dynamic::from($arg)),*]),
            );
        };
    }
    exact!(a: ImmutableString);
    exact!(a: ImmutableString, b: ImmutableString);
    exact!(a: ImmutableString, b: Blob);
    exact!(a: ImmutableString, b: Map);
    exact!(a: ImmutableString, b: ImmutableString, c: Map);
    exact!(a: ImmutableString, b: Blob, c: Map);
}

fn invoke(
    operation: &'static dyn Operation,
    context: &NativeCallContext<'_>,
    args: Vec<Dynamic>,
) -> Result<Dynamic, Box<EvalAltResult>> {
    active::invoke(operation, args, context.call_position()).map(to_dynamic)
}
