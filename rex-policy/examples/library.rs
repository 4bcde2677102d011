//! rex-policy without the rest of Rex: a lending library decides who may borrow what, with its own actions.

use rex_core::{
    Attribute, Authorize, Effect, Fact, FactKind, Principal, Request, Resource, ResourceSpec, Subject, Timestamp,
};
use rex_policy::{Policy, PolicyLimits, RejectedPolicy, SourceText, Vocabulary};

/// A book with its place on the shelves: `fiction/classics/emma`.
#[derive(Debug)]
pub struct Book {
    shelf_mark: String,
    precious: bool,
}

impl Resource for Book {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "library",
        name: "Book",
        doc: "A book; the id is its shelf mark. A book is `in` each shelf above it.",
        attributes: &[Attribute {
            name: "precious",
            kind: FactKind::Bool,
            doc: "Whether it cannot be bought again.",
            values: rex_core::ValueSet::Any,
        }],
        id_attribute: None,
        nested: true,
        class: Some("Collection"),
    };
    fn id(&self) -> &str {
        &self.shelf_mark
    }
    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        visit("precious", Fact::Bool(self.precious));
    }
    fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        let mut rest = &*self.shelf_mark;
        while let Some((shelf, _)) = rest.rsplit_once('/') {
            visit(shelf);
            rest = shelf;
        }
    }
}

rex_core::actions! {
    /// The actions that the rules of the library decide.
    pub static TABLE;
    /// Books.
    library {
        /// Take a book home.
        Borrow = "borrow" on Book {
            /// Number of days.
            days: i64,
        } in [Lending];
        /// Read a book at the desk.
        Consult = "consult" on Book {} in [];
    }
}

const RULES: &str = r#"
@id("readers-borrow")
permit (principal in Group::"readers", action in library::Action::"Lending", resource in library::Book::"fiction")
when { context.days <= 28 };

@id("all-consult")
permit (principal, action == library::Action::"consult", resource);

@id("precious-stays") @reason("it cannot be bought again")
forbid (principal, action == library::Action::"borrow", resource)
when { resource.precious || resource in library::Collection::"Manuscripts" };
"#;

const MEMBERS: &str = r#"[
    { "uid": { "type": "User", "id": "ada" }, "parents": [{ "type": "Group", "id": "readers" }] },
    { "uid": { "type": "library::Book", "id": "fiction/letters" }, "parents": [{ "type": "library::Collection", "id": "Manuscripts" }] }
]"#;

pub(crate) fn main() -> Result<(), RejectedPolicy> {
    let rules = SourceText::new("rules.cedar", RULES);
    let members = SourceText::new("members.json", MEMBERS);
    let policy = Policy::compile(&Vocabulary::new(TABLE), &[rules], Some(&members), &PolicyLimits::default())?;

    let ada = Subject::new(Principal::user("ada"));
    let book = |shelf_mark: &str, precious| Book { shelf_mark: shelf_mark.to_owned(), precious };
    for (book, days) in [
        (book("fiction/classics/emma", false), 14),
        (book("fiction/classics/emma", false), 90),
        (book("fiction/classics/first-folio", true), 1),
        (book("fiction/letters/austen-1796", false), 1),
        (book("science/optics", false), 14),
    ] {
        let action = library::Borrow { days };
        let request = Request { subject: &ada, action: &action, resource: &book, now: Timestamp::now() };
        let decision = policy.decide(&request);
        say(&match decision.effect {
            Effect::Allow => format!("{} for {days} days: yes, by {}", book.id(), decision.policies.join(", ")),
            Effect::Deny => {
                let reason = decision.reason.as_deref().unwrap_or("no rule permits it");
                let remedy = policy.remedy(&request, &decision).unwrap_or_default();
                format!("{} for {days} days: no, {reason}\n{remedy}", book.id())
            }
        });
    }
    Ok(())
}

// A test runs this too, and there printing needs no exception.
#[cfg_attr(not(test), expect(clippy::print_stdout, reason = "an example talks to its reader"))]
fn say(line: &str) {
    println!("{line}");
}
