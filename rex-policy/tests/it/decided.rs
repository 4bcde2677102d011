//! Coverage counts exactly the clauses that decided. It is compared with a second evaluation that does not use Cedar and follows
//! `docs/policy-tests.md`: a clause decided if it was evaluated, and the condition would have had the opposite value if the clause had.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rex_core::action::fs;
use rex_core::{Authorize, Effect, Principal, Request, Subject};
use rex_policy::Coverage;

use crate::support::{NOON, compile_any, path};

/// A part of a condition that cannot be split further, with its text in Cedar.
#[derive(Debug, Clone, Copy)]
enum Clause {
    Above(i64),
    Other(i64),
    Named(&'static str),
    NotNamed(&'static str),
    Below(&'static str),
    FileBelow(&'static str),
    Asks(&'static str),
    Tagged,
    /// An error for every number above zero.
    Overflows,
}

/// The facts of a request.
#[derive(Debug, Clone, Copy)]
struct Facts {
    bytes: i64,
    dir: &'static str,
    name: &'static str,
    agent: &'static str,
    tagged: bool,
}

/// A condition, or a part of one.
#[derive(Debug, Clone)]
enum Tree {
    Constant(bool),
    Clause(Clause),
    Not(Box<Tree>),
    And(Box<(Tree, Tree)>),
    Or(Box<(Tree, Tree)>),
    If(Box<(Tree, Tree, Tree)>),
}

impl Clause {
    fn text(self) -> String {
        match self {
            Self::Above(bytes) => format!("context.bytes > {bytes}"),
            Self::Other(bytes) => format!("context.bytes != {bytes}"),
            Self::Named(name) => format!("resource.name == \"{name}\""),
            Self::NotNamed(name) => format!("resource.name != \"{name}\""),
            Self::Below(dir) => format!("resource in fs::Path::\"{dir}\""),
            Self::FileBelow(dir) => format!("resource is fs::Path in fs::Path::\"{dir}\""),
            Self::Asks(agent) => format!("principal == Agent::\"{agent}\""),
            Self::Tagged => "context.tags.contains(\"k=v\")".to_owned(),
            Self::Overflows => format!("context.bytes + {} > 0", i64::MAX),
        }
    }

    /// Returns whether it holds; `None` if it is an error.
    fn holds(self, facts: &Facts) -> Option<bool> {
        Some(match self {
            Self::Above(bytes) => facts.bytes > bytes,
            Self::Other(bytes) => facts.bytes != bytes,
            Self::Named(name) => facts.name == name,
            Self::NotNamed(name) => facts.name != name,
            Self::Below(dir) | Self::FileBelow(dir) => facts.dir == dir,
            Self::Asks(agent) => facts.agent == agent,
            Self::Tagged => facts.tagged,
            Self::Overflows => facts.bytes.checked_add(i64::MAX)? > 0,
        })
    }
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Constant(value) => value.to_string(),
            Self::Clause(clause) => clause.text(),
            Self::Not(part) => format!("!({})", part.text()),
            Self::And(parts) => format!("({}) && ({})", parts.0.text(), parts.1.text()),
            Self::Or(parts) => format!("({}) || ({})", parts.0.text(), parts.1.text()),
            Self::If(parts) => format!("if {} then {} else {}", parts.0.text(), parts.1.text(), parts.2.text()),
        }
    }

    /// Collects the clauses in the order of the text.
    fn clauses(&self, found: &mut Vec<Clause>) {
        match self {
            Self::Constant(_) => {}
            Self::Clause(clause) => found.push(*clause),
            Self::Not(part) => part.clauses(found),
            Self::And(parts) | Self::Or(parts) => [&parts.0, &parts.1].into_iter().for_each(|part| part.clauses(found)),
            Self::If(parts) => [&parts.0, &parts.1, &parts.2].into_iter().for_each(|part| part.clauses(found)),
        }
    }
}

/// An evaluation of a condition. Clauses are counted as they are passed, even if they are not evaluated.
struct Evaluation<'f> {
    facts: &'f Facts,
    /// The clause whose value is inverted.
    turned: Option<usize>,
    passed: usize,
    looked_at: BTreeSet<usize>,
}

impl Evaluation<'_> {
    /// Returns the value of a part; `None` for an error. A part that is not `wanted` is only passed.
    fn part(&mut self, tree: &Tree, wanted: bool) -> Option<bool> {
        match tree {
            Tree::Constant(value) => Some(*value),
            Tree::Clause(clause) => {
                let number = self.passed;
                self.passed += 1;
                if wanted {
                    self.looked_at.insert(number);
                }
                clause.holds(self.facts).map(|holds| holds != (self.turned == Some(number)))
            }
            Tree::Not(part) => self.part(part, wanted).map(|holds| !holds),
            Tree::And(parts) => {
                let left = self.part(&parts.0, wanted);
                let right = self.part(&parts.1, wanted && left == Some(true));
                if left == Some(true) { right } else { left }
            }
            Tree::Or(parts) => {
                let left = self.part(&parts.0, wanted);
                let right = self.part(&parts.1, wanted && left == Some(false));
                if left == Some(false) { right } else { left }
            }
            Tree::If(parts) => {
                let test = self.part(&parts.0, wanted);
                let then = self.part(&parts.1, wanted && test == Some(true));
                let otherwise = self.part(&parts.2, wanted && test == Some(false));
                if test? { then } else { otherwise }
            }
        }
    }
}

/// Returns the value of a condition, and the clauses that were evaluated for it.
fn evaluated(tree: &Tree, facts: &Facts, turned: Option<usize>) -> (Option<bool>, BTreeSet<usize>) {
    let mut evaluation = Evaluation { facts, turned, passed: 0, looked_at: BTreeSet::new() };
    let holds = evaluation.part(tree, true);
    (holds, evaluation.looked_at)
}

fn clause() -> impl Strategy<Value = Clause> {
    let (dir, name) = (prop::sample::select(vec!["/a", "/b"]), prop::sample::select(vec!["x", "y"]));
    prop_oneof![
        (0..3_i64).prop_map(Clause::Above),
        (0..3_i64).prop_map(Clause::Other),
        name.clone().prop_map(Clause::Named),
        name.clone().prop_map(Clause::NotNamed),
        dir.clone().prop_map(Clause::Below),
        dir.prop_map(Clause::FileBelow),
        name.prop_map(Clause::Asks),
        Just(Clause::Tagged),
        Just(Clause::Overflows),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![9 => clause().prop_map(Tree::Clause), 1 => any::<bool>().prop_map(Tree::Constant)];
    leaf.prop_recursive(4, 16, 3, |part| {
        prop_oneof![
            part.clone().prop_map(|part| Tree::Not(Box::new(part))),
            (part.clone(), part.clone()).prop_map(|parts| Tree::And(Box::new(parts))),
            (part.clone(), part.clone()).prop_map(|parts| Tree::Or(Box::new(parts))),
            (part.clone(), part.clone(), part).prop_map(|parts| Tree::If(Box::new(parts))),
        ]
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let (dir, name) = (prop::sample::select(vec!["/a", "/b", "/c"]), prop::sample::select(vec!["x", "y", "z"]));
    (0..4_i64, dir, name.clone(), name, any::<bool>()).prop_map(|(bytes, dir, name, agent, tagged)| Facts {
        bytes,
        dir,
        name,
        agent,
        tagged,
    })
}

/// Returns a policy with these conditions, and the tree that they form together.
fn policy(permit: bool, conditions: &[(bool, Tree)]) -> (String, Tree) {
    let head = if permit { "permit" } else { "permit (principal, action, resource);\nforbid" };
    let mut text = format!("{head} (principal, action == fs::Action::\"append\", resource)");
    let mut whole = Tree::Constant(true);
    for (when, tree) in conditions {
        let word = if *when { "when" } else { "unless" };
        text += &format!("\n{word} {{ {} }}", tree.text());
        let part = if *when { tree.clone() } else { Tree::Not(Box::new(tree.clone())) };
        whole = Tree::And(Box::new((whole, part)));
    }
    (text + ";", whole)
}

proptest! {
    #[test]
    fn a_clause_is_counted_if_and_only_if_it_decided(
        permit in any::<bool>(),
        conditions in prop::collection::vec((any::<bool>(), tree()), 1..4),
        asked in prop::collection::vec(facts(), 1..6),
    ) {
        let (text, whole) = policy(permit, &conditions);
        let compiled = compile_any(&text);
        if let Err(rejected) = &compiled {
            // Constants may leave a policy that never applies; only then is it refused.
            prop_assert!(rejected.to_string().contains("this policy never applies"), "{}\n{}", text, rejected);
        }
        prop_assume!(compiled.is_ok());
        let policy = compiled.unwrap();
        let (mut coverage, mut clauses) = (Coverage::new(&policy), Vec::new());
        whole.clauses(&mut clauses);
        let mut expected: Vec<_> = clauses.iter().map(|clause| (clause.text(), 0, 0)).collect();
        for facts in &asked {
            let mut subject = Subject::new(Principal::agent(facts.agent));
            subject.tags.extend(facts.tagged.then(|| "k=v".to_owned()));
            let (resource, action) = (path(&format!("{}/{}", facts.dir, facts.name)), fs::Append { bytes: facts.bytes });
            let request = Request { subject: &subject, action: &action, resource: &resource, now: NOON };
            let decision = policy.decide(&request);
            coverage.observe(&policy, &request, &decision);
            let (came_out, looked_at) = evaluated(&whole, facts, None);
            // The second evaluation must first agree on the condition: an error denies.
            let allowed = came_out == Some(permit);
            prop_assert_eq!(decision.effect == Effect::Allow, allowed, "{}\n{:?}\n{:?}", text, facts, decision);
            for number in looked_at {
                let (turned, _) = evaluated(&whole, facts, Some(number));
                let decided = came_out.is_some() && turned.is_some() && came_out != turned;
                let (_, held, failed) = &mut expected[number];
                match clauses[number].holds(facts) {
                    Some(true) => *held += u64::from(decided),
                    Some(false) => *failed += u64::from(decided),
                    None => prop_assert!(!decided),
                }
            }
        }
        let counted = coverage.policies.last().unwrap().clauses.iter();
        let counted: Vec<_> = counted.map(|clause| (clause.text.clone(), clause.held, clause.failed)).collect();
        prop_assert_eq!(counted, expected, "{}\n{:?}", text, asked);
    }
}
