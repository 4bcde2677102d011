//! An example of rex-core alone, with its own resource and action: who may set which room to how many degrees?

use std::sync::Arc;

use rex_core::{
    Authorize, Call, Decision, Fact, JsonLines, Limits, Principal, Request, Resource, ResourceSpec, Run, Subject,
};

/// A room of the house.
#[derive(Debug)]
pub struct Room(String);

impl Resource for Room {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "climate",
        name: "Room",
        doc: "A room; the id is its name.",
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
    /// Every action that this program lets a policy decide.
    pub static TABLE;
    /// Heating.
    climate {
        /// Set the temperature of a room.
        Heat = "heat" on Room {
            /// The temperature, in degrees Celsius.
            degrees: i64,
        } in [Mutating];
    }
}

/// A policy: agents may heat to 22 degrees, and never the cellar.
struct House;

impl Authorize for House {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let mut degrees = i64::MAX;
        request.action.facts(&mut |_, fact| {
            if let Fact::Long(value) = fact {
                degrees = value;
            }
        });
        if request.resource.id() != "cellar" && degrees <= 22 {
            Decision::allow(&["comfort"])
        } else {
            Decision::deny(Some("too hot, or the cellar"))
        }
    }
}

fn main() {
    let journal = Arc::new(JsonLines::new(std::io::stdout()));
    let subject = Subject::new(Principal::agent("butler"));
    let run = Run::new("evening", subject, Arc::new(House), journal, Limits::default());
    let gate = run.gate(Call { operation: "heat", line: None });

    for (room, degrees) in [("study", 21), ("study", 30), ("cellar", 15)] {
        match gate.permit(climate::Heat { degrees }, Room(room.to_owned())) {
            Ok(grant) => set(grant),
            Err(denial) => say(&denial.to_string()),
        }
    }
}

/// Turns the valve. It takes the grant, so nobody can call it without a decision.
fn set(grant: rex_core::Grant<climate::Heat>) {
    say(&format!("{} is now at {}", grant.resource().id(), grant.action().degrees));
}

#[expect(clippy::print_stdout, reason = "an example talks to its reader")]
fn say(line: &str) {
    println!("{line}");
}
