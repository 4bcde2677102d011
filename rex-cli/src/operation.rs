//! A request as an example, in its JSON format.

use rex_core::Value;
use rex_policy::ExampleRequest;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct ShownOperation {
    /// The request in words.
    pub(crate) text: String,
    principal: String,
    action: String,
    resource: String,
    facts: Value,
    members: Vec<(String, String)>,
}

impl ShownOperation {
    pub(crate) fn new(operation: &ExampleRequest) -> Self {
        let request = operation.asked.request();
        let facts = operation.facts().into_iter().map(|(name, value)| (name.to_owned(), value));
        Self {
            text: operation.to_string(),
            principal: request.subject.principal.to_string(),
            action: request.action.spec().to_string(),
            resource: request.resource.id().to_owned(),
            facts: Value::Map(facts.collect()),
            members: operation.members().collect(),
        }
    }
}
