//! Policies without a condition whose head names only what the table of actions has.
//!
//! Cedar's validator takes several times as long to start as to validate: its extensions parse their names, each anew, with a
//! parser of their own. Most policies have no condition. For those it would find nothing that the table does not say: whether
//! types, ids and actions exist, and whether the action applies to such a resource.
//!
//! INVARIANT: what is accepted here passes Cedar's validator, with the whole schema, without a warning. When in doubt it is not
//! accepted, and Cedar validates it. A test compares them.

use cedar_policy::Policy;
use rex_core::{ActionSpec, ResourceSpec};

use crate::rule::{HeadActions, Scope, Uid, actions, principal_scope, resource_scope};
use crate::vocabulary::{GROUP, PRINCIPALS, Vocabulary};

/// The words that cannot name a type in Cedar.
const RESERVED: [&str; 10] = ["true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"];

/// The valid heads of a vocabulary.
pub(crate) struct ValidHeads {
    actions: &'static [&'static ActionSpec],
    /// `true` if each name in the table is surely a valid name. Otherwise Cedar reports what is wrong with it.
    pub(crate) are_named: bool,
}

impl ValidHeads {
    pub(crate) fn new(vocabulary: &Vocabulary) -> Self {
        let actions = vocabulary.actions();
        let is_named = |spec: &&ActionSpec| {
            let ResourceSpec { namespace, name, class, .. } = spec.resource;
            let spaces = [spec.namespace, namespace].into_iter().flat_map(|space| space.split("::"));
            let types = [*name].into_iter().chain(*class);
            spaces.chain(types.clone()).all(is_name) && !types.into_iter().any(|name| name == "Action")
        };
        Self { actions, are_named: actions.iter().all(is_named) }
    }

    /// Returns whether a policy is valid by its head alone.
    pub(crate) fn suffice(&self, policy: &Policy) -> bool {
        // `as_ref` leads to what Cedar evaluates; see `Condition`.
        self.are_named
            && policy.as_ref().non_scope_constraints().is_none()
            && is_principal(&principal_scope(policy.principal_constraint()))
            && self.has(actions(policy).as_ref(), &resource_scope(policy.resource_constraint()))
    }

    /// Returns whether each of the actions exists, and one of them applies to such a resource.
    fn has(&self, named: Option<&HeadActions>, resource: &Scope) -> bool {
        let Some(HeadActions { named, exact }) = named else {
            return self.actions.iter().any(|spec| is_about(resource, spec.resource));
        };
        let is = |spec: &ActionSpec, uid: &Uid| {
            let space = uid.kind.strip_suffix("::Action") == Some(spec.namespace);
            space && (*uid.id == *spec.name || !exact && spec.groups.contains(&&*uid.id))
        };
        // Cedar rejects a list of actions of several namespaces, whose types differ.
        let alike = named.windows(2).all(|pair| matches!(pair, [one, next] if one.kind == next.kind));
        alike
            && named.iter().all(|uid| self.actions.iter().any(|spec| is(spec, uid)))
            && self
                .actions
                .iter()
                .any(|spec| named.iter().any(|uid| is(spec, uid)) && is_about(resource, spec.resource))
    }
}

fn is_principal(scope: &Scope) -> bool {
    let is_type = |kind: &str| PRINCIPALS.contains(&kind);
    scope.kind.as_deref().is_none_or(is_type)
        && scope.entity.as_ref().is_none_or(|uid| {
            let kind = if scope.exact { is_type(&uid.kind) } else { *uid.kind == *GROUP };
            kind && is_plain(&uid.id)
        })
}

/// Returns whether a head can match this type of resource: one, all in another one, or all in a class.
fn is_about(scope: &Scope, resource: &ResourceSpec) -> bool {
    let is_in = |kind: &str, name: &str| {
        kind.strip_prefix(resource.namespace).and_then(|kind| kind.strip_prefix("::")) == Some(name)
    };
    let is_type = |kind: &str| is_in(kind, resource.name);
    scope.kind.as_deref().is_none_or(is_type)
        && scope.entity.as_ref().is_none_or(|Uid { kind, id }| {
            let of_type = (scope.exact || resource.nested) && is_type(kind);
            let of_class = !scope.exact && resource.class.is_some_and(|class| is_in(kind, class));
            (of_type || of_class) && is_plain(id)
        })
}

/// Returns whether no character of an id can cause a warning.
fn is_plain(id: &str) -> bool {
    id.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

fn is_name(text: &str) -> bool {
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !RESERVED.contains(&text)
}

#[cfg(test)]
mod tests {
    use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};

    use super::*;

    /// Returns heads with everything that is in the vocabulary, and with much that is not.
    fn heads(vocabulary: &Vocabulary) -> Vec<String> {
        let mut kinds =
            ["Agent", "User", GROUP, "Robot", "fs::Action", "fs::Robot", "Path"].map(str::to_owned).to_vec();
        for resource in vocabulary.resources() {
            kinds.push(resource.to_string());
            kinds.extend(resource.class.map(|class| format!("{}::{class}", resource.namespace)));
        }
        let types = |var: &str| {
            let of = |kind: &String| [format!("{var} is {kind}"), format!("{var} in {kind}::\"x\"")];
            kinds.iter().flat_map(of).chain([var.to_owned()]).collect::<Vec<_>>()
        };
        let ids = |var: &str| {
            let ids = ["", "/a b", "é", "раураl", "a\\n", "a\\u{202e}"].into_iter();
            let of = |(kind, id): (&String, &str)| {
                [format!("{var} == {kind}::\"{id}\""), format!("{var} in {kind}::\"{id}\"")]
            };
            let ids = ids.flat_map(|id| kinds.iter().map(move |kind| (kind, id))).flat_map(of);
            let both = |kind| kinds.iter().map(move |other| format!("{var} is {kind} in {other}::\"x\""));
            ids.chain(kinds.iter().flat_map(both)).collect::<Vec<_>>()
        };
        let mut named = Vec::new();
        for spec in vocabulary.actions() {
            named.push(format!("{}::Action::\"{}\"", spec.namespace, spec.name));
            named.extend(spec.groups.iter().map(|group| format!("{}::Action::\"{group}\"", spec.namespace)));
        }
        named.extend(["fs::Action::\"raed\"", "sys::Action::\"read\"", "Action::\"read\""].map(str::to_owned));
        named.sort();
        named.dedup();
        let mut acts = vec!["action".to_owned(), "action in []".to_owned()];
        for (one, next) in named.iter().zip(named.iter().cycle().skip(1)) {
            acts.extend([format!("action == {one}"), format!("action in {one}"), format!("action in [{one}, {next}]")]);
        }
        let few =
            ["action", "action == fs::Action::\"read\"", "action in sys::Action::\"ReadOnly\""].map(str::to_owned);
        let head = |principal: &str, act: &str, resource: &str| format!("{principal}, {act}, {resource}");
        let mut heads = Vec::new();
        for scope in types("principal").iter().chain(&ids("principal")) {
            heads.extend(few.iter().map(|act| head(scope, act, "resource")));
        }
        for (acts, scopes) in [(&acts[..], types("resource")), (&few[..], ids("resource"))] {
            heads.extend(acts.iter().flat_map(|act| scopes.iter().map(move |scope| head("principal", act, scope))));
        }
        heads
    }

    #[test]
    fn what_is_valid_by_its_head_passes_the_validator_without_a_warning() {
        let vocabulary = Vocabulary::rex();
        let known = ValidHeads::new(&vocabulary);
        let whole = Validator::new(Schema::from_json_str(&vocabulary.schema_json()).unwrap());
        let (mut taken, mut left) = (String::new(), 0);
        for (number, head) in heads(&vocabulary).into_iter().enumerate() {
            let effect = if number % 2 == 0 { "permit" } else { "forbid" };
            let text = format!("{effect} ({head});\n");
            let Ok(policy) = text.parse::<Policy>() else { continue };
            if known.suffice(&policy) { taken.push_str(&text) } else { left += 1 }
        }
        let set: PolicySet = taken.parse().unwrap();
        let result = whole.validate(&set, ValidationMode::Strict);
        assert!(result.validation_passed_without_warnings(), "{result}");
        assert!(set.policies().count() > 500 && left > 500, "{} taken, {left} left", set.policies().count());
    }

    #[test]
    fn policies_as_most_are_need_nothing_else() {
        let known = ValidHeads::new(&Vocabulary::rex());
        let suffices = |text: &str| known.suffice(&text.parse().unwrap());
        assert!(suffices("permit (principal, action == fs::Action::\"read\", resource in fs::Path::\"/srv\");"));
        assert!(suffices("permit (principal in Group::\"ops\", action in [fs::Action::\"ReadOnly\"], resource);"));
        assert!(suffices("@id(\"x\") forbid (principal is Agent, action, resource == service::Unit::\"u.service\");"));
        for wrong in [
            "permit (principal, action == fs::Action::\"raed\", resource);",
            "permit (principal, action == fs::Action::\"ReadOnly\", resource);",
            "permit (principal, action in [], resource);",
            "permit (principal, action == fs::Action::\"read\", resource in service::Unit::\"u\");",
            "permit (principal == Robot::\"r\", action, resource);",
            "permit (principal in Group::\"a\u{202e}b\", action, resource);",
            "permit (principal, action, resource) when { true };",
            "permit (principal, action, resource) unless { context.now > datetime(\"2030-01-01\") };",
        ] {
            assert!(!suffices(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_table_whose_names_are_none_is_for_cedar_to_refuse() {
        assert!(["Path", "_x9"].iter().all(|name| is_name(name)));
        assert!(["", "9a", "a-b", "é", "in", "__cedar", "a b"].iter().all(|name| !is_name(name)));
    }
}
