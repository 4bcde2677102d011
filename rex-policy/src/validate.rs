//! Strict validation of each policy against the part of the schema that it is about.
//!
//! Cedar's validator types a policy once for every action and every type of principal, which grows with the table of actions,
//! while most policies name one action. For an action that the head does not name, the head is `false`, and the check ends
//! there. So a policy that passes the part of the schema with the named actions passes all of it. Only a policy that does not
//! pass is checked against all of it, to report what is wrong.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedar_policy::{
    Policy, PolicyId, PolicySet, ValidationError, ValidationMode, ValidationResult, ValidationWarning, Validator,
};
use cedar_policy_core::FromNormalizedStr;
use cedar_policy_core::ast::{Eid, EntityType, EntityUID, Id, InternalName, Name, UnreservedId};
use cedar_policy_core::validator::types::{Attributes, OpenTag, Type};
use cedar_policy_core::validator::{ValidatorActionId, ValidatorEntityType, ValidatorSchema};
use rex_core::{ActionSpec, Attribute, FactKind};

use crate::compile::{ParsedFile, from_cedar};
use crate::explain;
use crate::finding::{Finding, Severity};
use crate::head::ValidHeads;
use crate::rule::{HeadActions, actions};
use crate::schema::{AMBIENT, AmbientKind, SchemaNamespace, namespaces, parents};
use crate::vocabulary::{GROUP, PRINCIPALS, Vocabulary};

/// Validates the policies of files; `Err` says what is wrong with the table.
pub(crate) fn validate(
    vocabulary: &Vocabulary,
    files: &[ParsedFile],
    findings: &mut Vec<Finding>,
) -> Result<(), String> {
    let heads = ValidHeads::new(vocabulary);
    let mut schema = if heads.are_named { None } else { Some(TableSchema::new(vocabulary)?) };
    for file in files {
        let policies: Vec<_> = file.set.policies().filter(|policy| !heads.suffice(policy)).collect();
        if policies.is_empty() {
            continue;
        }
        let schema = match &mut schema {
            Some(schema) => schema,
            none => none.insert(TableSchema::new(vocabulary)?),
        };
        schema.validate(file, &policies, findings)?;
    }
    Ok(())
}

/// The schema of a vocabulary as Cedar's validator takes it, made from the table without a text in between.
struct TableSchema<'v> {
    vocabulary: &'v Vocabulary,
    spaces: BTreeMap<&'static str, SchemaNamespace>,
    names: HashMap<(&'static str, &'static str), EntityType>,
    types: Vec<ValidatorEntityType>,
}

impl<'v> TableSchema<'v> {
    /// Declares the types of a vocabulary; `Err` says what is wrong with the table.
    fn new(vocabulary: &'v Vocabulary) -> Result<Self, String> {
        let spaces = namespaces(vocabulary.actions());
        let mut schema = Self { vocabulary, names: HashMap::new(), types: Vec::new(), spaces: BTreeMap::new() };
        for kind in PRINCIPALS {
            schema.declare("", kind, &[], &[])?;
        }
        schema.declare("", GROUP, &[PRINCIPALS.as_slice(), &[GROUP]].concat(), &[])?;
        for (space, declared) in &spaces {
            schema.names.insert((space, "Action"), entity_type(space, "Action")?);
            let members = |kind: &str| -> Vec<&'static str> {
                let all = declared.resources.iter().filter(|resource| parents(resource).contains(&kind));
                all.map(|resource| resource.name).collect()
            };
            for resource in &declared.resources {
                schema.declare(space, resource.name, &members(resource.name), resource.attributes)?;
            }
            for class in &declared.classes {
                schema.declare(space, class, &[&members(class), [*class].as_slice()].concat(), &[])?;
            }
        }
        schema.spaces = spaces;
        Ok(schema)
    }

    fn declare(
        &mut self,
        space: &'static str,
        kind: &'static str,
        members: &[&'static str],
        attributes: &[Attribute],
    ) -> Result<(), String> {
        if kind == "Action" {
            return Err("`Action` is the type of actions; a resource needs another name".to_owned());
        }
        let name = self.name(space, kind)?;
        let members = members.iter().map(|member| self.name(space, member)).collect::<Result<Vec<_>, _>>()?;
        let attributes = Attributes::with_required_attributes(facts(attributes)?);
        let open = OpenTag::ClosedAttributes;
        self.types.push(ValidatorEntityType::new_standard(name, members, attributes, open, None, None));
        Ok(())
    }

    fn name(&mut self, space: &'static str, kind: &'static str) -> Result<EntityType, String> {
        if let Some(name) = self.names.get(&(space, kind)) {
            return Ok(name.clone());
        }
        let name = entity_type(space, kind)?;
        self.names.insert((space, kind), name.clone());
        Ok(name)
    }

    /// Returns a validator that knows every type, and the actions that a scope names, or all.
    fn validator(&self, scope: Option<&HeadActions>) -> Result<Validator, String> {
        let name = |space, kind| self.names.get(&(space, kind)).cloned().ok_or_else(|| format!("`{space}::{kind}`?"));
        let principals = PRINCIPALS.map(|kind| name("", kind));
        let principals = principals.into_iter().collect::<Result<Vec<_>, _>>()?;
        let ambient = AMBIENT.iter().map(|(name, kind, _)| Ok(((*name).into(), Arc::new(ambient(*kind)?))));
        let ambient = ambient.collect::<Result<Vec<_>, String>>()?;
        let record = |facts| Type::record_with_required_attributes(facts, OpenTag::ClosedAttributes);
        let mut declared = Vec::new();
        for (space, actions) in &self.spaces {
            let kind = name(space, "Action")?;
            let text = format!("{space}::Action");
            let named = |id: &str| scope.is_none_or(|scope| scope.named.iter().any(|uid| uid.is(&text, id)));
            let uid = |id: &str| EntityUID::from_components(kind.clone(), Eid::new(id), None);
            for group in actions.groups.iter().filter(|group| named(group)) {
                let members = actions.actions.iter().filter(|action| action.groups.contains(group));
                let members = members.map(|action| uid(action.name));
                declared.push(ValidatorActionId::new_defined(uid(group), [], [], members, record(Vec::new()), None));
            }
            let wanted = |action: &&&ActionSpec| named(action.name) || action.groups.iter().any(|group| named(group));
            for action in actions.actions.iter().filter(wanted) {
                let resource = name(action.resource.namespace, action.resource.name)?;
                let facts = facts(action.context)?.into_iter();
                let context = record(facts.chain(ambient.iter().cloned()).collect());
                let principals = principals.iter().cloned();
                let id = uid(action.name);
                declared.push(ValidatorActionId::new_defined(id, principals, [resource], [], context, None));
            }
        }
        Ok(Validator::new(ValidatorSchema::new(self.types.iter().cloned(), declared).into()))
    }

    /// Validates some of the policies of a file.
    fn validate(&self, file: &ParsedFile, policies: &[&Policy], findings: &mut Vec<Finding>) -> Result<(), String> {
        let mut by_scope = HashMap::<_, Vec<Policy>>::new();
        for policy in policies.iter().copied() {
            by_scope.entry(actions(policy)).or_default().push(policy.clone());
        }
        let mut doubtful = by_scope.remove(&None).unwrap_or_default();
        for (scope, policies) in by_scope {
            if !self.validated(scope.as_ref(), &policies)?.validation_passed_without_warnings() {
                doubtful.extend(policies);
            }
        }
        if !doubtful.is_empty() {
            self.report(&self.validated(None, &doubtful)?, file, findings);
        }
        Ok(())
    }

    fn validated(&self, scope: Option<&HeadActions>, policies: &[Policy]) -> Result<ValidationResult, String> {
        let set = PolicySet::from_policies(policies.iter().cloned()).map_err(|error| error.to_string())?;
        Ok(self.validator(scope)?.validate(&set, ValidationMode::Strict))
    }

    fn report(&self, result: &ValidationResult, file: &ParsedFile, findings: &mut Vec<Finding>) {
        let mut wrong: Vec<&PolicyId> = Vec::new();
        // A policy with an unknown name applies to nothing, which goes without saying.
        let follows = |error: &ValidationError| matches!(error, ValidationError::InvalidActionApplication(_));
        let mut errors: Vec<_> = result.validation_errors().collect();
        // Cedar reports them in no particular order.
        errors.sort_by_cached_key(|error| (follows(error), ParsedFile::number(error.policy_id()), error.to_string()));
        for error in errors {
            let place = file.statement(error.policy_id());
            let finding = from_cedar(&file.text, Severity::Error, error, place).about(file.id(error.policy_id()));
            let follows = follows(error);
            let repeats = findings.iter().any(|known: &Finding| known.same_place(&finding));
            let follows = follows && wrong.contains(&error.policy_id());
            wrong.push(error.policy_id());
            if !(repeats || follows) {
                findings.push(explain::error(finding, error, self.vocabulary));
            }
        }
        let mut warnings: Vec<_> = result.validation_warnings().collect();
        warnings.sort_by_cached_key(|warning| (ParsedFile::number(warning.policy_id()), warning.to_string()));
        for warning in warnings {
            // Whole texts of several alphabets are common; words of several are reported elsewhere.
            if matches!(
                warning,
                ValidationWarning::MixedScriptString(_)
                    | ValidationWarning::MixedScriptIdentifier(_)
                    | ValidationWarning::ConfusableIdentifier(_)
            ) {
                continue;
            }
            let follows = matches!(
                warning,
                ValidationWarning::InvalidActionApplication(_) | ValidationWarning::ImpossiblePolicy(_)
            );
            if follows && wrong.contains(&warning.policy_id()) {
                continue;
            }
            let severity = severity(warning, &file.set);
            let finding = from_cedar(&file.text, severity, warning, file.statement(warning.policy_id()));
            findings.push(explain::warning(finding.about(file.id(warning.policy_id()))));
            wrong.push(warning.policy_id());
        }
    }
}

fn entity_type(space: &str, kind: &str) -> Result<EntityType, String> {
    // Parsing names would start a parser for each of them.
    let id = |text: &str| Id::from_normalized_str(text).map_err(|error| format!("`{text}` is not a name: {error}"));
    let above = space.split("::").filter(|part| !part.is_empty()).map(id).collect::<Result<Vec<_>, _>>()?;
    let name = Name::try_from(InternalName::new(id(kind)?, above, None)).map_err(|error| error.to_string())?;
    Ok(EntityType::from(name))
}

fn facts<T: From<&'static str>>(attributes: &[Attribute]) -> Result<Vec<(T, Arc<Type>)>, String> {
    let kind = |attribute: &Attribute| -> Result<Type, String> {
        Ok(match attribute.kind {
            FactKind::Long => Type::primitive_long(),
            FactKind::Bool => Type::primitive_boolean(),
            FactKind::String => Type::primitive_string(),
            FactKind::Ip => extension("ipaddr")?,
        })
    };
    attributes.iter().map(|attribute| Ok((attribute.name.into(), Arc::new(kind(attribute)?)))).collect()
}

fn extension(name: &str) -> Result<Type, String> {
    let id = UnreservedId::from_normalized_str(name).map_err(|error| error.to_string())?;
    Ok(Type::ExtensionType { name: Name::unqualified_name(id) })
}

fn ambient(kind: AmbientKind) -> Result<Type, String> {
    Ok(match kind {
        AmbientKind::Datetime => extension("datetime")?,
        AmbientKind::String => Type::primitive_string(),
        AmbientKind::Strings => Type::set(Arc::new(Type::primitive_string())),
    })
}

/// Returns the severity of a warning. A `forbid` that never applies protects nothing, whatever its author thinks; a `permit`
/// that never applies is merely idle. Text that does not read as it is stored has no honest use in a policy.
fn severity(warning: &ValidationWarning, set: &PolicySet) -> Severity {
    let forbids = set.policy(warning.policy_id()).is_some_and(|policy| policy.effect() == cedar_policy::Effect::Forbid);
    match warning {
        ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) if forbids => {
            Severity::Error
        }
        ValidationWarning::BidiCharsInString(_) | ValidationWarning::BidiCharsInIdentifier(_) => Severity::Error,
        _ => Severity::Warning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_text(vocabulary: &Vocabulary) -> Validator {
        Validator::new(cedar_policy::Schema::from_json_str(&vocabulary.schema_json()).unwrap())
    }

    #[test]
    fn the_schema_is_that_of_the_text() {
        let vocabulary = Vocabulary::rex();
        let made = TableSchema::new(&vocabulary).unwrap().validator(None).unwrap();
        assert_eq!(made.schema().as_ref(), from_text(&vocabulary).schema().as_ref());
    }

    /// Checks that what passes for the actions of its head passes for all, without another warning.
    #[test]
    fn a_part_of_the_schema_passes_no_more_than_all_of_it() {
        let principals = ["principal", "principal is Agent", "principal in Group::\"g\"", "principal == Robot::\"r\""];
        let actions = [
            "action == fs::Action::\"read\"",
            "action == fs::Action::\"write\"",
            "action in [fs::Action::\"write\", fs::Action::\"append\"]",
            "action in [fs::Action::\"read\", service::Action::\"status\"]",
            "action in fs::Action::\"ReadOnly\"",
            "action in [fs::Action::\"Mutating\", sys::Action::\"ReadOnly\"]",
            "action == fs::Action::\"ReadOnly\"",
            "action == fs::Action::\"raed\"",
            "action in []",
        ];
        let resources = [
            "resource",
            "resource in fs::Path::\"/a\"",
            "resource is fs::Path in fs::Class::\"c\"",
            "resource == service::Unit::\"u.service\"",
            "resource is sys::Host",
        ];
        let conditions = [
            "",
            "when { resource.path like \"/a/*\" }",
            "when { resource.size > 1 }",
            "when { context.bytes < 9 }",
            "when { context has bytes && context.bytes < 9 }",
            "when { context.now < datetime(\"2030-01-01\") && context.tags.contains(\"a=b\") }",
            "when { context.script }",
            "when { action == fs::Action::\"write\" }",
            "unless { action in fs::Action::\"Mutating\" }",
            "when { [fs::Action::\"read\", fs::Action::\"write\"].contains(action) }",
            "when { principal == User::\"u\" || resource in service::Unit::\"u.service\" }",
            "when { principal.name == \"x\" }",
            "when { resource == 1 }",
            "when { false }",
            "when { if action == fs::Action::\"read\" then true else context.bytes }",
            "when { \"\u{202e}\" == context.script }",
        ];
        let vocabulary = Vocabulary::rex();
        let schema = TableSchema::new(&vocabulary).unwrap();
        let whole = from_text(&vocabulary);
        let (mut passed, mut failed) = (0, 0);
        for (principal, action) in principals.iter().flat_map(|p| actions.iter().map(move |a| (p, a))) {
            for (resource, condition) in resources.iter().flat_map(|r| conditions.iter().map(move |c| (r, c))) {
                let text = format!("permit ({principal}, {action}, {resource}) {condition};");
                let set: PolicySet = text.parse().unwrap();
                let policies: Vec<_> = set.policies().cloned().collect();
                let scope = super::actions(&policies[0]);
                let part = schema.validated(scope.as_ref(), &policies).unwrap();
                if part.validation_passed_without_warnings() {
                    let whole = whole.validate(&set, ValidationMode::Strict);
                    assert!(whole.validation_passed_without_warnings(), "{text}: {whole}");
                    passed += 1;
                } else {
                    failed += 1;
                }
            }
        }
        assert!(passed > 100 && failed > 100, "{passed} passed, {failed} failed");
    }
}
