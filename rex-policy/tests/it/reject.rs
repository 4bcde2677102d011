//! Policies that are refused, and their messages (ATTACKS rows 9 and 12).

use expect_test::{Expect, expect};
use miette::Diagnostic;
use rex_policy::{Policy, PolicyLimits, Severity, SourceText, Vocabulary};

use crate::support::{compile, reads, try_compile};

/// Compares the findings as text: place, underlined text, message, help.
fn check(policy: &str, expected: Expect) {
    let rejected = try_compile(policy, None).unwrap_err();
    let mut out = String::new();
    for finding in &rejected.findings {
        let underlined = finding.source_text().get(finding.offset..finding.offset + finding.length).unwrap();
        let underlined = underlined.replace('\u{202e}', "<RLO>");
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
    check(
        r#"forbid (principal, action == fs::Action::"raed", resource);"#,
        expect![[r#"
            Error test.cedar:1:30 `fs::Action::"raed"`
              unrecognized action `fs::Action::"raed"`
              help: did you mean `fs::Action::"read"`?
        "#]],
    );
    check(
        r#"forbid (principal, action in fs::Action::"Readonly", resource);"#,
        expect![[r#"
            Error test.cedar:1:30 `fs::Action::"Readonly"`
              unrecognized action `fs::Action::"Readonly"`
              help: did you mean `fs::Action::"ReadOnly"`?
        "#]],
    );
    check(
        r#"forbid (principal, action, resource is fs::Pth);"#,
        expect![[r#"
            Error test.cedar:1:40 `fs::Pth`
              unrecognized entity type `fs::Pth`
              help: did you mean `fs::Path`?
        "#]],
    );
    check(
        "permit (principal, action, resource);\nforbid (principal, action == fs::Action::\"read\", resource)\n  when { resource.pth like \"/etc/*\" };",
        expect![[r#"
            Error test.cedar:3:10 `resource.pth`
              attribute `pth` on entity type `fs::Path` not found
              help: did you mean `path`? a `fs::Path` has `path`, `name`, `extension`
        "#]],
    );
    check(
        r#"forbid (principal, action, resource) when { resource.path like "/etc/*" };"#,
        expect![[r#"
            Error test.cedar:1:45 `resource.path`
              attribute `path` on entity type `net::Host` not found
              help: `fs::Path` has it: write `resource is fs::Path` in the head of the policy
        "#]],
    );
    check(
        r#"forbid (principal == Agnet::"triage", action, resource);"#,
        expect![[r#"
            Error test.cedar:1:22 `Agnet`
              unrecognized entity type `Agnet`
              help: did you mean `Agent`?
        "#]],
    );
    check(
        r#"forbid (principal, action == fs::Action::"write", resource) when { context.byts > 1 };"#,
        expect![[r#"
            Error test.cedar:1:68 `context.byts`
              attribute `byts` in context for fs::Action::"write" not found
              help: did you mean `bytes`? the context of `fs::write` holds `bytes`, `now`, `script`, `tags`
        "#]],
    );
}

#[test]
fn a_forbid_that_never_applies_is_refused() {
    check(
        r#"forbid (principal, action == fs::Action::"read", resource is service::Unit);"#,
        expect![[r#"
            Error test.cedar:1:1 `forbid (principal, action == fs::Action::"read", resource is service::Unit);`
              this policy never applies: what it asks for is false for every request
              help: find the condition that contradicts the head, or another condition
        "#]],
    );
    check(
        r#"forbid (principal, action, resource) when { false };"#,
        expect![[r#"
            Error test.cedar:1:45 `false`
              `false` is never true
              help: leave it out, or fix it
        "#]],
    );
    check(
        r#"@id("a") forbid (principal, action == fs::Action::"read", resource == fs::Path::"/etc/");"#,
        expect![[r#"
            Error test.cedar:1:71 `fs::Path::"/etc/"`
              `/etc/` is never the id of a `fs::Path`
              help: did you mean `/etc`?
        "#]],
    );
    check(
        r#"forbid (principal, action, resource) when { resource in [fs::Path::"/a/../b"] };"#,
        expect![[r#"
        Error test.cedar:1:58 `fs::Path::"/a/../b"`
          `/a/../b` is never the id of a `fs::Path`
          help: did you mean `/b`?
    "#]],
    );
    check(
        r#"forbid (principal, action, resource == service::Unit::"nginx");"#,
        expect![[r#"
        Error test.cedar:1:40 `service::Unit::"nginx"`
          `nginx` is never the id of a `service::Unit`
          help: did you mean `nginx.service`?
    "#]],
    );
    for pattern in ["like \"etc/*\"", "like \"/etc/\"", "like \"/etc//*\"", "like \"*/..\"", "== \"/etc/\"", "!= \"x\""]
    {
        let policy = format!("forbid (principal, action, resource is fs::Path) when {{ resource.path {pattern} }};");
        assert!(try_compile(&policy, None).is_err(), "{pattern}");
    }
    for pattern in ["like \"*\"", "like \"/\"", "like \"/*/\\*.x\"", "like \"*/.*\"", "== \"/\"", "like \"/etc*/x\""] {
        let policy = format!("forbid (principal, action, resource is fs::Path) when {{ resource.path {pattern} }};");
        assert_eq!(compile(&policy).warnings().len(), 0, "{pattern}");
    }
    check(
        r#"forbid (principal, action, resource is fs::Path) when { resource.name == "x" && resource.path like "/a/../*" };"#,
        expect![[r#"
            Error test.cedar:1:100 `"/a/../*"`
              `resource.path` is never like `/a/../*`
              help: it is an absolute path, without `.`, `..`, `//` and a slash at the end
        "#]],
    );
    let idle = compile(r#"permit (principal, action, resource) when { false };"#);
    assert_eq!(idle.warnings()[0].severity, Severity::Warning);
    assert!(!reads(&idle, "/x"));
}

#[test]
fn what_does_not_parse_is_refused() {
    check(
        "permit (principal, action, resource)",
        expect![[r#"
            Error test.cedar:1:37 ``
              unexpected end of input
              help: a policy ends with `;`
        "#]],
    );
    check(
        "permit (principal, action, resource) when { resource.path like };",
        expect![[r#"
        Error test.cedar:1:64 `}`
          unexpected token `}`
          help: -
    "#]],
    );
    check(
        "permit (principal, action);\npermti (principal, action, resource);",
        expect![[r#"
        Error test.cedar:1:26 ``
          this policy is missing the `resource` variable in the scope
          help: policy scopes must contain a `principal`, `action`, and `resource` element in that order
        Error test.cedar:2:1 `permti`
          invalid policy effect: permti
          help: effect must be either `permit` or `forbid`
    "#]],
    );
    check(
        "\u{feff}permit (principal, action, resource);",
        expect![[r#"
        Error test.cedar:1:1 ``
          invalid token
          help: -
    "#]],
    );
    check(
        "permit (principal, action, resource) when { \"",
        expect![[r#"
        Error test.cedar:1:45 ``
          invalid token
          help: try checking that all strings are closed properly
    "#]],
    );
}

#[test]
fn a_template_is_refused() {
    check(
        "permit (principal == ?principal, action, resource);",
        expect![[r#"
        Error test.cedar:1:1 `permit (principal == ?principal, action, resource);`
          this is a template, which has no effect until it is linked
          help: write the principal or resource in place of `?principal` or `?resource`
    "#]],
    );
}

#[test]
fn an_id_is_given_once() {
    check(
        "@id(\"a\") permit (principal, action, resource);\n@id(\"a\")\nforbid (principal, action, resource);",
        expect![[r#"
            Error test.cedar:2:1 `@id("a")
            forbid (principal, action, resource);`
              the id `a` is taken by the policy at test.cedar:1
              help: give each policy an `@id` of its own: decisions name policies by it
        "#]],
    );
    let sources = [
        SourceText::new("a.cedar", "permit (principal, action, resource);\n\npermit (principal, action, resource);"),
        SourceText::new("b.cedar", "// here\npermit (principal, action, resource);"),
    ];
    let policy = Policy::compile(&Vocabulary::rex(), &sources, None, &PolicyLimits::default()).unwrap();
    assert_eq!(policy.ids().map(|id| &**id).collect::<Vec<_>>(), ["a.cedar:1", "a.cedar:3", "b.cedar:2"]);
}

#[test]
fn what_an_attribute_never_is_is_refused() {
    for condition in [
        "resource.extension == \".key\"",
        "resource.extension like \"*.gz\"",
        "resource.name like \"/etc/*\"",
        "resource.name == \"a/b\"",
        "fs::Path::\"/a/b\" in resource",
        "fs::Path::\"/a/b\" in fs::Path::\"/a\"",
    ] {
        let policy = format!("forbid (principal, action, resource is fs::Path) when {{ {condition} }};");
        assert!(try_compile(&policy, None).is_err(), "{condition}");
    }
    for condition in ["resource.extension == \"key\"", "resource.name like \"*.key\"", "resource in fs::Path::\"/a\""] {
        let policy = format!("forbid (principal, action, resource is fs::Path) when {{ {condition} }};");
        assert_eq!(compile(&policy).warnings().len(), 0, "{condition}");
    }
}

#[test]
fn a_finding_without_a_place_of_its_own_is_about_its_policy() {
    check(
        r#"@id("b") permit (principal, action in [fs::Action::"read", sys::Action::"disk"], resource);"#,
        expect![[r#"
            Error test.cedar:1:1 `@id("b") permit (principal, action in [fs::Action::"read", sys::Action::"disk"], resource);`
              actions of `fs` and of `sys` are in one list
              help: a list holds actions of one namespace: write one policy for each namespace
        "#]],
    );
}

#[test]
fn a_policy_with_hidden_text_is_refused() {
    check(
        "permit (principal, action, resource is fs::Path) when { resource.path == \"\u{202e}/x\" };",
        expect![[r#"
            Error test.cedar:1:74 `"<RLO>/x"`
              string `"\u{202e}/x"` contains BIDI control characters
              help: -
            Error test.cedar:1:75 `<RLO>`
              this text holds an invisible character: U+202E
              help: write the intended letter; what is really in a name is written as an escape, `\u{200b}`
            Error test.cedar:1:74 `"<RLO>/x"`
              `resource.path` is never `\u{202e}/x`
              help: it is an absolute path, without `.`, `..`, `//` and a slash at the end
        "#]],
    );
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
    let source = SourceText::new("big.cedar", line.repeat((100 << 20) / line.len()));
    let started = std::time::Instant::now();
    let rejected =
        Policy::compile(&Vocabulary::rex(), std::slice::from_ref(&source), None, &PolicyLimits::default()).unwrap_err();
    assert!(started.elapsed().as_millis() < 100);
    expect!["big.cedar: this is more than 16777216 bytes of policy"].assert_eq(&rejected.to_string());

    let limits = PolicyLimits { policies: 2, ..PolicyLimits::default() };
    let three = [SourceText::new("three.cedar", line.repeat(3))];
    let rejected = Policy::compile(&Vocabulary::rex(), &three, None, &limits).unwrap_err();
    expect!["three.cedar:3:37: there are more than 2 policies"].assert_eq(&rejected.to_string());
    let split = [SourceText::new("one.cedar", line), SourceText::new("two.cedar", line.repeat(2))];
    assert!(Policy::compile(&Vocabulary::rex(), &split, None, &limits).is_err());
}

/// Runs on a thread with the smallest stack that Rex uses.
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

/// Policies at the limits compile and decide on such a stack.
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
