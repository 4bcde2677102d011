//! The example runs.

#[expect(unreachable_pub, reason = "an example is a program, whose items a public trait names")]
#[path = "../../examples/library.rs"]
mod library;

#[test]
fn the_library_example_runs() {
    library::main().unwrap();
}
