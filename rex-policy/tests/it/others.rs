//! A vocabulary of another program: its own type defines the spelling of its ids.

use std::collections::BTreeMap;

use rex_core::{Fact, Resource, ResourceSpec, Value};
use rex_policy::{Policy, PolicyLimits, SourceText, Vocabulary};

/// A document in folders: names with slashes between them.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "a public trait names it")]
pub struct Document(String);

impl Resource for Document {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "docs",
        name: "Document",
        doc: "A document, or a folder of them.",
        attributes: &[],
        id_attribute: None,
        nested: true,
        class: None,
    };
    const ID_IS_COMPLETE: bool = true;
    fn id(&self) -> &str {
        &self.0
    }
    fn attributes<'a>(&'a self, _: &mut dyn FnMut(&'static str, Fact<'a>)) {}
    fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        self.0.match_indices('/').rev().for_each(|(at, _)| visit(self.0.get(..at).unwrap_or_default()));
    }
    fn from_record(id: &str, _: &BTreeMap<String, Value>) -> Result<Self, String> {
        if id.split('/').any(|name| name == "..") {
            return Err(format!("`{id}` is no document"));
        }
        Ok(Self(id.trim_end_matches('/').to_lowercase()))
    }
}

rex_core::actions! {
    /// The actions on documents.
    static TABLE;
    /// Documents.
    docs {
        /// Read one.
        Read = "read" on Document {} in [ReadOnly];
    }
}

#[test]
fn an_id_that_no_request_has_is_refused() {
    let check = |policy: &str| {
        let vocabulary = Vocabulary::new(TABLE);
        let sources = [SourceText::new("test.cedar", policy)];
        Policy::compile(&vocabulary, &sources, None, &PolicyLimits::default()).map(drop)
    };
    let allow = "permit (principal, action, resource);\n";
    for (id, says) in [
        ("team/", "`team/` is never the id of a `docs::Document`"),
        ("Team/a", "`Team/a` is never the id of a `docs::Document`"),
        ("a/../b", "is no document"),
    ] {
        for condition in
            [format!("resource in docs::Document::\"{id}\""), format!("resource == docs::Document::\"{id}\"")]
        {
            let rejected = check(&format!("{allow} forbid (principal, action, {condition});")).unwrap_err().to_string();
            assert!(rejected.contains(says), "{condition}: {rejected}");
            let rejected =
                check(&format!("{allow} forbid (principal, action, resource) when {{ {condition} }};")).unwrap_err();
            assert!(rejected.to_string().contains(says), "{condition}: {rejected}");
        }
    }
    check(&format!("{allow} forbid (principal, action, resource in docs::Document::\"team\");")).unwrap();
}
