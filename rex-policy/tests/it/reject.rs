//! Policies that are refused, and how they are told so (ATTACKS rows 9 and 12).

use expect_test::{Expect, expect};
use miette::Diagnostic;
use rex_policy::{Policy, PolicyLimits, Severity, Source, Vocabulary};

use crate::support::{compile, reads, try_compile};

/// The findings as text: place, what is underlined, message, help.
fn check(policy: &str, expected: Expect) {
    let rejected = try_compile(policy, None).unwrap_err();
    let mut out = String::new();
    for finding in &rejected.findings {
        let underlined = &finding.source_text()[finding.offset..finding.offset + finding.length];
        let help = finding.help.as_deref().unwrap_or("-");
        out += &format!(
            "{:?} {}:{}:{} `{underlined}`\n  {}\n  help: {help}\n",
            finding.severity,
            finding.source_name(),
            finding.line,
            finding.column,
            finding.message
        );
        assert_eq!(finding.labels().unwrap().count(), 1);
    }
    expected.assert_eq(&out);
}

#[test]
fn a_typo_in_a_forbid_is_refused() {
    check(r#"forbid (principal, action == fs::Action::"raed", resource);"#, expect![[""]]);
    check(r#"forbid (principal, action in fs::Action::"Readonly", resource);"#, expect![[""]]);
    check(r#"forbid (principal, action, resource is fs::Pth);"#, expect![[""]]);
    check(
        "permit (principal, action, resource);\nforbid (principal, action == fs::Action::\"read\", resource)\n  when { resource.pth like \"/etc/*\" };",
        expect![[""]],
    );
    check(r#"forbid (principal == Agnet::"triage", action, resource);"#, expect![[""]]);
    check(r#"forbid (principal, action == fs::Action::"write", resource) when { context.byts > 1 };"#, expect![[""]]);
}

#[test]
fn a_forbid_that_never_applies_is_refused() {
    check(r#"forbid (principal, action == fs::Action::"read", resource is service::Unit);"#, expect![[""]]);
    check(r#"forbid (principal, action, resource) when { false };"#, expect![[""]]);
    check(
        r#"@id("a") forbid (principal, action == fs::Action::"read", resource == fs::Path::"/etc/");"#,
        expect![[""]],
    );
    check(r#"forbid (principal, action, resource) when { resource in [fs::Path::"/a/../b"] };"#, expect![[""]]);
    check(r#"forbid (principal, action, resource == service::Unit::"nginx");"#, expect![[""]]);
    let idle = compile(r#"permit (principal, action, resource) when { false };"#);
    assert_eq!(idle.warnings()[0].severity, Severity::Warning);
    assert!(!reads(&idle, "/x"));
}

#[test]
fn what_does_not_parse_is_refused() {
    check("permit (principal, action, resource)", expect![[""]]);
    check("permit (principal, action, resource) when { resource.path like };", expect![[""]]);
    check("permit (principal, action);\npermti (principal, action, resource);", expect![[""]]);
    check("\u{feff}permit (principal, action, resource);", expect![[""]]);
    check("permit (principal, action, resource) when { \"", expect![[""]]);
}

#[test]
fn a_template_is_refused() {
    check("permit (principal == ?principal, action, resource);", expect![[""]]);
}

#[test]
fn an_id_is_given_once() {
    check(
        "@id(\"a\") permit (principal, action, resource);\n@id(\"a\")\nforbid (principal, action, resource);",
        expect![[""]],
    );
    let sources = [
        Source::new("a.cedar", "permit (principal, action, resource);\n\npermit (principal, action, resource);"),
        Source::new("b.cedar", "// here\npermit (principal, action, resource);"),
    ];
    let policy = Policy::compile(&Vocabulary::rex(), &sources, None, &PolicyLimits::default()).unwrap();
    assert_eq!(policy.ids().map(|id| &**id).collect::<Vec<_>>(), ["a.cedar:1", "a.cedar:3", "b.cedar:2"]);
}

#[test]
fn a_policy_with_hidden_text_is_refused() {
    check("permit (principal, action, resource) when { resource.path == \"\u{202e}/x\" };", expect![[""]]);
}

#[test]
fn an_empty_policy_denies_everything_and_says_so() {
    for text in ["", "  \n", "// nothing\n"] {
        let policy = compile(text);
        assert!(policy.is_empty() && !reads(&policy, "/etc/hosts"));
        assert_eq!(policy.warnings()[0].to_string(), "there is no policy, so everything is denied");
    }
    let none = Policy::compile(&Vocabulary::rex(), &[], None, &PolicyLimits::default()).unwrap();
    assert!(none.is_empty() && none.warnings().len() == 1 && !reads(&none, "/"));
}

#[test]
fn a_hundred_megabytes_of_policy_are_refused_at_once() {
    let line = "permit (principal, action, resource);\n";
    let source = Source::new("big.cedar", line.repeat((100 << 20) / line.len()));
    let started = std::time::Instant::now();
    let rejected =
        Policy::compile(&Vocabulary::rex(), std::slice::from_ref(&source), None, &PolicyLimits::default()).unwrap_err();
    assert!(started.elapsed().as_millis() < 100);
    expect!["big.cedar: this is more than 16777216 bytes of policy"].assert_eq(&rejected.to_string());

    let limits = PolicyLimits { policies: 2, ..PolicyLimits::default() };
    let three = [Source::new("three.cedar", line.repeat(3))];
    let rejected = Policy::compile(&Vocabulary::rex(), &three, None, &limits).unwrap_err();
    expect!["three.cedar:3:37: there are more than 2 policies"].assert_eq(&rejected.to_string());
    let split = [Source::new("one.cedar", line), Source::new("two.cedar", line.repeat(2))];
    assert!(Policy::compile(&Vocabulary::rex(), &split, None, &limits).is_err());
}

/// On a thread with a stack as small as any that Rex runs on.
#[test]
fn a_deeply_nested_policy_is_refused_without_a_crash() {
    let deep = |open: &str, inner: &str, close: &str, times: usize| {
        format!("permit (principal, action, resource) when {{ {}{inner}{} }};", open.repeat(times), close.repeat(times))
    };
    let texts = [
        deep("(", "true", ")", 10_000),
        deep("(", "true", "", 10_000),
        deep("[", "", "]", 10_000),
        deep("{a: ", "1", "}", 10_000),
        deep("!", "true", "", 10_000),
        deep("-", "1", " == 1", 10_000),
        deep("if true then ", "true", " else false", 10_000),
        deep("true && ", "true", "", 10_000),
        deep("", "true", " || true", 100_000),
        deep("1 + ", "1 == 1", "", 10_000),
        deep("", "context", ".a", 10_000),
        deep("", "context", "[\"a\"]", 10_000),
        format!("permit (principal, action, resource) {};", "when { true } ".repeat(10_000)),
        format!("{} permit (principal, action, resource);", "@a(\"b\") ".repeat(10_000)),
        "(".repeat(1 << 20),
        "permit ".repeat(1 << 18),
        "\"\\".repeat(1 << 18),
    ];
    let refuse_all = move || {
        for text in texts {
            let rejected = try_compile(&text, None).unwrap_err();
            assert!(!rejected.findings.is_empty());
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(refuse_all).unwrap().join().unwrap();
}

/// What the limits do allow compiles and decides on such a stack.
#[test]
fn a_policy_at_the_limits_is_taken() {
    let limits = PolicyLimits::default();
    let texts = [
        format!("when {{ {}true{} }}", "(".repeat(limits.nesting - 1), ")".repeat(limits.nesting - 1)),
        format!("when {{ {}true{} }}", "!(".repeat(limits.nesting - 2), ")".repeat(limits.nesting - 2)),
        format!("when {{ {}true }}", "true && ".repeat(300)),
        format!("when {{ {}false }}", "false || ".repeat(300)),
        format!("when {{ {}1 > 1 }}", "1 + ".repeat(400)),
        format!("when {{ {}true{} }}", "if true then ".repeat(150), " else false".repeat(150)),
    ];
    let take_all = move || {
        for text in texts {
            let policy = compile(&format!("permit (principal, action, resource) {text};"));
            assert!(policy.len() == 1 && (reads(&policy, "/x") || text.contains("false || ")), "{text}");
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(take_all).unwrap().join().unwrap();
}
