//! The generated schema.

use std::collections::BTreeSet;

use cedar_policy::Schema;
use expect_test::expect;
use rex_core::{Effect, Fact, Resource, ResourceSpec};
use rex_policy::{Policy, PolicyLimits, SourceText, Vocabulary};

use crate::support::{ask, triage};

#[test]
fn the_committed_schema_is_up_to_date() {
    let vocabulary = Vocabulary::rex();
    let fresh = "run `cargo xtask codegen`";
    assert!(vocabulary.schema_cedar() == include_str!("../../schema/rex.cedarschema"), "{fresh}");
    assert!(vocabulary.schema_json() == include_str!("../../schema/rex.cedarschema.json"), "{fresh}");
}

#[test]
fn both_forms_are_the_same_schema() {
    for vocabulary in [Vocabulary::rex(), Vocabulary::new(TABLE)] {
        let (text, warnings) = Schema::from_cedarschema_str(&vocabulary.schema_cedar()).unwrap();
        assert_eq!(warnings.count(), 0);
        let json = Schema::from_json_str(&vocabulary.schema_json()).unwrap();
        let names = |schema: &Schema| -> BTreeSet<String> {
            let types = schema.entity_types().map(ToString::to_string);
            let environments =
                schema.request_envs().map(|env| format!("{} {} {}", env.principal(), env.action(), env.resource()));
            types.chain(environments).chain(schema.actions().map(ToString::to_string)).collect()
        };
        assert_eq!(names(&text), names(&json));
        assert_eq!(
            text.action_entities().unwrap().to_json_value().unwrap().as_array().unwrap().len(),
            json.action_entities().unwrap().len()
        );
    }
}

/// A page of somebody's wiki. It can move, so what it is in does not follow from its id.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "a public trait names it")]
pub struct Page {
    id: &'static str,
    above: Vec<String>,
    draft: bool,
}

impl Resource for Page {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "wiki",
        name: "Page",
        doc: "A page.",
        attributes: &[rex_core::Attribute {
            name: "draft",
            kind: rex_core::FactKind::Bool,
            doc: "Whether it is one.",
            values: rex_core::ValueSet::Any,
        }],
        id_attribute: None,
        nested: true,
        class: None,
    };
    fn id(&self) -> &str {
        self.id
    }
    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        visit("draft", Fact::Bool(self.draft));
    }
    fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        self.above.iter().for_each(|id| visit(id));
    }
}

rex_core::actions! {
    /// A wiki's actions.
    static TABLE;
    /// Pages.
    wiki {
        /// Change a page.
        Edit = "edit" on Page {
            /// Number of changed lines.
            lines: i64,
            /// True if it is a revert.
            revert: bool,
            /// The message of the author.
            summary: String,
        } in [];
    }
}

#[test]
fn another_programs_table() {
    let vocabulary = Vocabulary::new(TABLE);
    expect![[r#"
        // What policies can speak of. Generated from the table of actions; do not edit.

        // Whoever a script runs for.
        entity Agent, User in [Group];

        // A group of them, or of groups.
        entity Group in [Group];

        // What the context of every action holds.
        type Ambient = {
          // When the request is decided, to the millisecond.
          now: datetime,
          // The SHA-256 of the script in lower-case hexadecimal; empty if there is none.
          script: String,
          // The operator's `key=value` strings.
          tags: Set<String>,
        };

        namespace wiki {
          // A page.
          entity Page in [Page] {
            // Whether it is one.
            draft: Bool,
          };

          // Change a page.
          action "edit" appliesTo {
            principal: [Agent, User],
            resource: [wiki::Page],
            context: {
              // Number of changed lines.
              lines: Long,
              // True if it is a revert.
              revert: Bool,
              // The message of the author.
              summary: String,
              // When the request is decided, to the millisecond.
              now: datetime,
              // The SHA-256 of the script in lower-case hexadecimal; empty if there is none.
              script: String,
              // The operator's `key=value` strings.
              tags: Set<String>,
            },
          };
        }
    "#]]
    .assert_eq(&vocabulary.schema_cedar());
    let text = r#"
        permit (principal, action == wiki::Action::"edit", resource in wiki::Page::"public")
        when { context.lines < 100 && context.summary like "*?" && !resource.draft };
        forbid (principal, action, resource) when { context.revert };
    "#;
    let policy =
        Policy::compile(&vocabulary, &[SourceText::new("wiki", text)], None, &PolicyLimits::default()).unwrap();
    let page = |above: &[&str], draft| Page { id: "p", above: above.iter().map(|&id| id.to_owned()).collect(), draft };
    let edit = |lines, revert, summary: &str| wiki::Edit { lines, revert, summary: summary.to_owned() };
    let effect = |action: &wiki::Edit, page: &Page| ask(&policy, &triage(), action, page).effect;
    let public = page(&["team", "public"], false);
    assert_eq!(effect(&edit(1, false, "typo?"), &public), Effect::Allow);
    assert_eq!(effect(&edit(1, false, "typo"), &public), Effect::Deny);
    assert_eq!(effect(&edit(100, false, "typo?"), &public), Effect::Deny);
    assert_eq!(effect(&edit(1, true, "typo?"), &public), Effect::Deny);
    // The same id, moved or changed: no earlier decision holds for it.
    assert_eq!(effect(&edit(1, false, "typo?"), &page(&["team"], false)), Effect::Deny);
    assert_eq!(effect(&edit(1, false, "typo?"), &page(&["team", "public"], true)), Effect::Deny);
    assert_eq!(effect(&edit(1, false, "typo?"), &public), Effect::Allow);
    let typo = [SourceText::new("wiki", r#"forbid (principal, action == fs::Action::"read", resource);"#)];
    assert!(Policy::compile(&vocabulary, &typo, None, &PolicyLimits::default()).is_err());
}
