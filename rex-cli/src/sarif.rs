//! Findings as SARIF 2.1.0, which code hosts show beside the source.

use rex_policy::{Finding, LINTS};
use serde_json::{Value, json};

use crate::exit::Stop;
use crate::explain::severity;

/// The rule of findings without a code: load errors and warnings of the validator.
const OTHERS: &str = "policy";

/// Formats findings as a document.
pub(crate) fn document(findings: &[Finding]) -> Result<String, Stop> {
    let mut rules: Vec<Value> = LINTS
        .iter()
        .map(|lint| {
            json!({
                "id": lint.code,
                "shortDescription": { "text": lint.name },
                "fullDescription": { "text": lint.explanation },
                "defaultConfiguration": { "level": severity(lint.severity) },
            })
        })
        .collect();
    rules.push(json!({ "id": OTHERS, "shortDescription": { "text": "a policy is invalid or suspicious" } }));
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "rex", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    });
    serde_json::to_string_pretty(&document).map_err(|error| Stop::internal(error.to_string()))
}

fn result(finding: &Finding) -> Value {
    let text = match &finding.help {
        Some(help) => format!("{}: {help}", finding.message),
        None => finding.message.clone(),
    };
    let mut location = json!({ "artifactLocation": { "uri": uri(finding.source_name()) } });
    if finding.line > 0
        && let Some(location) = location.as_object_mut()
    {
        location.insert("region".to_owned(), json!({ "startLine": finding.line, "startColumn": finding.column }));
    }
    json!({
        "ruleId": finding.code.unwrap_or(OTHERS),
        "level": severity(finding.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": location }],
    })
}

/// Formats a path as a URI reference; special characters are percent-encoded.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let start = if path.starts_with('/') { "file://" } else { "" };
    path.bytes().fold(start.to_owned(), |mut uri, byte| {
        if plain(byte) {
            uri.push(char::from(byte));
        } else {
            uri += &format!("%{byte:02X}");
        }
        uri
    })
}
