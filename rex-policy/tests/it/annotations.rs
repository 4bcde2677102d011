//! Unknown annotations, in policies and in properties.

use rex_policy::{Policy, PolicyLimits, RejectedPolicy, SourceText, Vocabulary};

type Read = fn(&Vocabulary, &[SourceText], Option<&SourceText>, &PolicyLimits) -> Result<Policy, RejectedPolicy>;

/// Returns the findings as `line:column message; help`.
fn found(read: Read, text: &str) -> Vec<String> {
    let sources = [SourceText::new("test.cedar", text)];
    let rejected = match read(&Vocabulary::rex(), &sources, None, &PolicyLimits::default()) {
        Ok(_) => return Vec::new(),
        Err(rejected) => rejected,
    };
    let line = |finding: &rex_policy::Finding| {
        let help = finding.help.as_deref().unwrap_or("-");
        format!("{}:{} {}; {help}", finding.line, finding.column, finding.message)
    };
    rejected.findings.iter().map(line).collect()
}

const REST: &str = r#"(principal == Agent::"a", action == fs::Action::"read", resource);"#;

#[test]
fn an_unknown_annotation_of_a_policy_is_refused() {
    let of = |annotations: &str| found(Policy::compile, &format!("{annotations}\npermit {REST}"));
    assert!(of(r#"@id("x") @reason("y") @allow("interpreter")"#).is_empty());
    for (annotation, told) in [
        (r#"@alow("interpreter")"#, "1:1 there is no annotation `@alow`; did you mean `@allow`?"),
        (r#"@id("x") @reasn("y")"#, "1:10 there is no annotation `@reasn`; did you mean `@reason`?"),
        (r#"@Id("x")"#, "1:1 there is no annotation `@Id`; did you mean `@id`?"),
        (r#"@prov("never")"#, "1:1 there is no annotation `@prov`; did you mean `@prove`?"),
        (
            r#"@owner("ops")"#,
            "1:1 there is no annotation `@owner`; a policy can have `@id`, `@reason`, `@allow`, `@lint`",
        ),
        ("@shadow", "1:1 `@shadow` does nothing in this version of Rex; remove it: it has no effect"),
        (
            r#"@approval("2 of oncall")"#,
            "1:1 `@approval` does nothing in this version of Rex; remove it: it has no effect",
        ),
        (
            r#"@prove("at-most")"#,
            "1:1 `@prove` states a property, and this is read as a policy; keep properties in files of their own, and hand \
             those to `rex policy prove`",
        ),
    ] {
        assert_eq!(of(annotation), [told], "{annotation}");
    }
}

#[test]
fn a_statement_that_states_no_property_is_refused() {
    let of = |statement: &str| found(Policy::properties, &format!("{statement} {REST}"));
    for stated in [
        r#"@prove("at-most") permit"#,
        r#"@id("x") @prove("no-error") permit"#,
        r#"@prove("never") @reason("y") forbid"#,
        r#"@prove("never-run") forbid"#,
    ] {
        assert_eq!(of(stated), [""; 0], "{stated}");
    }
    for (stated, told) in [
        (
            "permit",
            &[
                "1:1 this states no property, since it has no `@prove`; write `@prove(\"at-most\")` or `@prove(\"no-error\")` before \
               this `permit`",
            ][..],
        ),
        (
            r#"@prov("no-error") permit"#,
            &[
                "1:1 there is no annotation `@prov`; did you mean `@prove`?",
                "1:1 this states no property, since it has no `@prove`; write `@prove(\"at-most\")` or `@prove(\"no-error\")` before \
                 this `permit`",
            ],
        ),
        (
            r#"@prove("nevr") forbid"#,
            &["1:1 `@prove` has no value `nevr`; did you mean `never`? a `forbid` can state `@prove(\"never\")` or \
               `@prove(\"never-run\")`"],
        ),
        (
            r#"@prove("never") permit"#,
            &["1:1 a `permit` does not state `never`; it can state `@prove(\"at-most\")` or `@prove(\"no-error\")`"],
        ),
        (
            "@prove forbid",
            &["1:1 `@prove` has no value ``; a `forbid` can state `@prove(\"never\")` or `@prove(\"never-run\")`"],
        ),
        (
            r#"@prove("at-most") @allow("interpreter") permit"#,
            &["1:19 a property has no annotation `@allow`; a property permits nothing: write `@allow` in a policy"],
        ),
    ] {
        assert_eq!(of(stated), told, "{stated}");
    }
}

/// A file that is only checked may hold policies or properties, but not both.
#[test]
fn a_file_is_of_policies_or_of_properties() {
    let ceiling = format!("@prove(\"at-most\") permit {REST}");
    assert_eq!(found(Policy::compile_either, &ceiling), [""; 0]);
    assert_eq!(found(Policy::compile_either, &format!("permit {REST}")), [""; 0]);
    assert_eq!(found(Policy::compile_either, &format!("{ceiling}\npermit {REST}")).len(), 1);
    // A misspelled property does not turn the others into policies.
    let told = found(Policy::compile_either, &format!("{ceiling}\n@prov(\"at-most\") permit {REST}"));
    assert_eq!(told.first().map(String::as_str), Some("2:1 there is no annotation `@prov`; did you mean `@prove`?"));
}
