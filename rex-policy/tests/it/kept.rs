//! A cached decision answers no other request: tests with their own table, and with requests that differ in one detail only.

use std::net::IpAddr;

use rex_core::{Attribute, Effect, Fact, FactKind, Resource, ResourceSpec, ValueSet};
use rex_policy::{Policy, PolicyLimits, SourceText, Vocabulary};

use crate::support::{ask, triage};

/// A sample in a laboratory. Its id does not imply its attributes.
#[derive(Debug, Clone, Default)]
#[expect(unreachable_pub, reason = "a public trait names it")]
pub struct Sample {
    id: &'static str,
    above: &'static [&'static str],
    owner: Option<&'static str>,
    color: &'static str,
    size: i64,
    sealed: bool,
    sent_from: Option<IpAddr>,
}

const fn attribute(name: &'static str, kind: FactKind) -> Attribute {
    Attribute { name, kind, doc: "It.", values: ValueSet::Any }
}

impl Resource for Sample {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "lab",
        name: "Sample",
        doc: "A sample.",
        attributes: &[
            attribute("owner", FactKind::String),
            attribute("color", FactKind::String),
            attribute("size", FactKind::Long),
            attribute("sealed", FactKind::Bool),
            attribute("sent_from", FactKind::Ip),
        ],
        id_attribute: None,
        nested: true,
        class: None,
    };
    fn id(&self) -> &str {
        self.id
    }
    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        self.owner.iter().for_each(|owner| visit("owner", Fact::String(owner)));
        visit("color", Fact::String(self.color));
        visit("size", Fact::Long(self.size));
        visit("sealed", Fact::Bool(self.sealed));
        self.sent_from.iter().for_each(|address| visit("sent_from", Fact::Ip(*address)));
    }
    fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        self.above.iter().for_each(|id| visit(id));
    }
}

rex_core::actions! {
    /// The actions on samples.
    static TABLE;
    /// Samples.
    lab {
        /// Take some of it.
        Take = "take" on Sample {
            /// The purpose.
            purpose: String,
            /// The weight in grams.
            grams: i64,
            /// `true` if it comes back.
            back: bool,
        } in [];
        /// Throw it away.
        Waste = "waste" on Sample {
            /// The purpose.
            purpose: String,
        } in [];
    }
}

const WORDS: [&str; 5] = ["", "a", "b", "ab", "ba"];
const ABOVE: [&[&str]; 5] = [&[], &["x"], &["y"], &["x", "y"], &["y", "x"]];
/// Numbers that differ in one byte, wherever it is.
const NUMBERS: [i64; 4] = [0, 1, 256, i64::MIN];

/// Returns a policy whose decision names everything in a request: each value has its own permit.
fn telling() -> Policy {
    let mut text = String::new();
    let mut tell = |head: &str, condition: &str| {
        text += &format!("permit (principal, {head}) when {{ {condition} }};\n");
    };
    for word in WORDS {
        tell("action, resource", &format!("resource.owner == \"{word}\""));
        tell("action, resource", &format!("resource.color == \"{word}\""));
        tell("action, resource", &format!("context.purpose == \"{word}\""));
        tell("action, resource", &format!("resource == lab::Sample::\"{word}\""));
    }
    for number in NUMBERS {
        tell("action, resource", &format!("resource.size == {number}"));
        tell("action == lab::Action::\"take\", resource", &format!("context.grams == {number}"));
    }
    for id in ["x", "y"] {
        tell(&format!("action, resource in lab::Sample::\"{id}\""), "true");
    }
    for network in ["10.0.0.0/8", "11.0.0.0/8"] {
        tell("action, resource", &format!("resource.sent_from.isInRange(ip(\"{network}\"))"));
    }
    tell("action, resource", "resource.sealed");
    tell("action == lab::Action::\"take\", resource", "context.back");
    tell("action == lab::Action::\"waste\", resource", "true");
    compile(&text)
}

fn compile(text: &str) -> Policy {
    let limits = PolicyLimits { impossible: true, ..PolicyLimits::default() };
    let sources = [SourceText::new("lab.cedar", text)];
    Policy::compile(&Vocabulary::new(TABLE), &sources, None, &limits).unwrap_or_else(|rejected| panic!("{rejected}"))
}

const ADDRESS: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)));
const OTHER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(11, 0, 0, 1)));

/// Decides all these requests by one policy, so that a cached decision could answer another request. `ask` compares each decision with
/// Cedar's own, which caches nothing.
fn check(samples: impl Iterator<Item = Sample>, takes: &[lab::Take]) {
    let (policy, mut decisions) = (telling(), std::collections::BTreeSet::new());
    let mut count = 0;
    for sample in samples {
        for take in takes {
            let decision = ask(&policy, &triage(), take, &sample);
            assert_eq!(decision.effect, Effect::Allow, "{sample:?}\n{take:?}\n{decision:?}");
            decisions.insert(decision.policies.to_vec());
            count += 1;
        }
        let waste = lab::Waste { purpose: takes[0].purpose.clone() };
        decisions.insert(ask(&policy, &triage(), &waste, &sample).policies.to_vec());
        count += 1;
    }
    // Decisions do not depend on the order of ancestors.
    assert!(decisions.len() * 2 >= count, "{} decisions on {count} requests", decisions.len());
}

fn take(purpose: &str, grams: i64, back: bool) -> lab::Take {
    lab::Take { purpose: purpose.to_owned(), grams, back }
}

/// Texts that are the start of the id, its end, both, or neither, on both sides of each border between them.
#[test]
fn no_text_passes_for_another() {
    let texts = WORDS.iter().flat_map(|id| WORDS.map(|owner| (*id, owner)));
    let texts = texts.flat_map(|(id, owner)| WORDS.map(|color| (id, owner, color)));
    let samples = texts.map(|(id, owner, color)| Sample {
        id,
        owner: Some(owner),
        color,
        sent_from: ADDRESS,
        ..Sample::default()
    });
    check(samples, &WORDS.map(|purpose| take(purpose, 0, false)));
}

#[test]
fn no_ancestor_passes_for_another() {
    let samples = ABOVE.iter().flat_map(|above| {
        WORDS.map(|owner| Sample { id: "xy", above, owner: Some(owner), sent_from: ADDRESS, ..Sample::default() })
    });
    check(samples, &[take("", 0, false)]);
}

#[test]
fn no_number_address_or_truth_passes_for_another() {
    let samples = NUMBERS.iter().flat_map(|size| {
        [(true, ADDRESS), (false, ADDRESS), (true, OTHER), (false, OTHER)].map(|(sealed, sent_from)| Sample {
            owner: Some(""),
            size: *size,
            sealed,
            sent_from,
            ..Sample::default()
        })
    });
    let takes = NUMBERS.iter().flat_map(|grams| [true, false].map(|back| take("", *grams, back)));
    check(samples, &takes.collect::<Vec<_>>());
}

/// If a declared attribute is missing, a policy that asks for it is an error, even if the index could decide it.
#[test]
fn an_attribute_that_is_missing_denies() {
    for condition in [
        "resource.owner == \"a\"",
        "resource.owner like \"a*\"",
        "resource.owner != \"a\"",
        "[\"a\", \"b\"].contains(resource.owner)",
        "resource.color == \"\" && resource.owner like \"a*\"",
    ] {
        let forbid = format!("forbid (principal, action, resource) when {{ {condition} }};");
        let policy = compile(&format!("permit (principal, action, resource);\n{forbid}"));
        for owner in [Some("c"), Some("ac"), None] {
            let sample = Sample { owner, ..Sample::default() };
            let decision = ask(&policy, &triage(), &take("", 0, false), &sample);
            if owner.is_none() {
                assert_eq!(decision.effect, Effect::Deny, "{condition}");
                let reason = decision.reason.unwrap();
                assert!(reason.ends_with("`owner` of `lab::Sample::\"\"` is unknown"), "{reason}");
            }
        }
    }
}
