//! rex-engine embedded, with an operation of the host program: a script may ring a bell, if the policy permits it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rex_core::{Action, Authorize, Decision, Fact, Principal, Request, Resource, ResourceSpec, Value};
use rex_engine::{CountingAllocator, Engine, Input};
use rex_sdk::spec::{CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec};
use rex_sdk::{Args, MemOs, Session};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A bell, by its name.
#[derive(Debug, Clone)]
pub struct Bell(String);

impl Resource for Bell {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "bell",
        name: "Bell",
        doc: "A bell; the id is its name.",
        attributes: &[],
        id_attribute: None,
        nested: false,
        class: None,
    };
    fn id(&self) -> &str {
        &self.0
    }
    fn attributes<'a>(&'a self, _: &mut dyn FnMut(&'static str, Fact<'a>)) {}
}

rex_core::actions! {
    /// The actions of this program.
    pub static TABLE;
    /// Bells.
    bell {
        /// Ring a bell.
        Ring = "ring" on Bell {} in [Mutating];
    }
}

static RINGS: AtomicI64 = AtomicI64::new(0);

static RING: Op = Op {
    spec: OpSpec {
        name: "bell::ring",
        aliases: &["ring"],
        needs: &[bell::Ring::SPEC],
        params: &[Param::required("name", ParamKind::Text, "The bell.")],
        returns: ReturnSpec { kind: "int", doc: "How often any bell has rung." },
        doc: "Rings a bell.",
        errors: &[],
        example: CallExample { args: r#"["door"]"#, returns: "1" },
    },
    call: |session: &Session<'_>, args: &Args| {
        let grant = session.permit(bell::Ring {}, Bell(args.text("name")?.to_owned()))?;
        Ok(pull(grant))
    },
};

/// Pulls the rope, which takes the grant.
fn pull(_: rex_core::Grant<bell::Ring>) -> Value {
    Value::Int(RINGS.fetch_add(1, Ordering::Relaxed) + 1)
}

/// A policy that permits ringing the door bell, and nothing else.
struct DoorOnly;

impl Authorize for DoorOnly {
    fn decide(&self, request: &Request<'_>) -> Decision {
        match (request.action.spec().name, request.resource.id()) {
            ("ring", "door") => Decision::allow(&["door-only"]),
            _ => Decision::deny(None),
        }
    }
}

#[expect(clippy::print_stdout, reason = "an example talks to its reader")]
fn main() -> Result<(), rex_engine::BuildError> {
    let engine = Engine::builder(Arc::new(MemOs::new())).operation(&RING).build()?;
    let script = r#"
        ring("door");
        try { ring("church") } catch (e) { print(e.message) }
        bell::ring("door")
    "#;
    let report = engine.run(script, Input::new(Principal::agent("butler"), Arc::new(DoorOnly)));
    for line in &report.output {
        println!("{line}");
    }
    println!("{:?}", report.outcome.map_err(|failure| failure.error));
    Ok(())
}
