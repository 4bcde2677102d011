//! Patterns that match more than it seems. Only those that broaden what is permitted are checked: in permits, and in exceptions to a
//! `forbid`.

use cedar_policy::pst::{BinaryOp, Expr, PatternElem, UnaryOp};

use super::{Lint, LintContext, with_help};
use crate::finding::{Finding, Severity};
use crate::rule::{Rule, of_resource, syntax};

pub(super) const SIBLING: Lint = Lint {
    code: "REX006",
    name: "a pattern is satisfied by a sibling",
    severity: Severity::Warning,
    explanation: "A wildcard stands for slashes too, and for the rest of a name: `/var/log*` is not only what is in `/var/log`, but also \
                  `/var/logs-old/secret`. Ask for what is in a directory with `resource in`, or end the pattern with `/*`.",
    example: include_str!("examples/rex006.cedar"),
    better: include_str!("examples/rex006-better.cedar"),
    find: |look, number, rule| patterns(look, number, rule, sibling),
};

pub(super) const QUERY: Lint = Lint {
    code: "REX007",
    name: "a pattern is satisfied by a query string",
    severity: Severity::Warning,
    explanation: "A wildcard in a URL stands for slashes and for the `?` too, so what comes after it can stand in the query, which whoever asks may \
                  choose freely: `https://example.com/*/status` is also `https://example.com/admin?/status`. Ask for the parts of the URL instead.",
    example: include_str!("examples/rex007.cedar"),
    better: include_str!("examples/rex007-better.cedar"),
    find: |look, number, rule| patterns(look, number, rule, query),
};

pub(super) const URL: Lint = Lint {
    code: "REX008",
    name: "a pattern of a URL leaves the host open",
    severity: Severity::Error,
    explanation: "A pattern that has a wildcard before the slash after the host is satisfied by hosts of strangers: `https://example.com*` is also \
                  `https://example.com.evil.test/`, `*example.com` is also `evilexample.com`. Write the host out, up to the slash, or ask for \
                  `resource in net::Url::\"https://example.com/\"`.",
    example: include_str!("examples/rex008.cedar"),
    better: include_str!("examples/rex008-better.cedar"),
    find: |look, number, rule| patterns(look, number, rule, open_host),
};

/// The message for a pattern of an attribute, whose wildcards are NULs, and the help.
type PatternMistake = (String, &'static str);

fn patterns(
    look: &LintContext<'_>,
    number: usize,
    rule: &Rule,
    wrong: fn(&str, &str) -> Option<PatternMistake>,
) -> Vec<Finding> {
    let Some(condition) = look.policy.cedar(number).and_then(syntax) else { return Vec::new() };
    let mut findings = Vec::new();
    broadening(&condition, rule.permit, &mut |attribute, pattern| {
        if let Some((message, help)) = wrong(attribute, pattern) {
            let text = format!("\"{}\"", pattern.replace('\0', "*"));
            findings.extend(with_help(look.found_at(number, &text, message), help));
        }
    });
    findings
}

/// Calls `visit` with the attribute and the pattern of each `like` that permits more if it matches more.
fn broadening(expr: &Expr, broadens: bool, visit: &mut dyn FnMut(&str, &str)) {
    match expr {
        Expr::Like { expr, pattern } if broadens => {
            if let Some(attribute) = of_resource(expr) {
                let chars = pattern.iter().map(|element| match element {
                    PatternElem::Char(c) => *c,
                    PatternElem::Wildcard => '\0',
                });
                visit(&attribute, &chars.collect::<String>());
            }
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => broadening(expr, !broadens, visit),
        Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
            broadening(left, broadens, visit);
            broadening(right, broadens, visit);
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            // Which branch is wider is unknown.
            broadening(cond, true, visit);
            broadening(then_expr, broadens, visit);
            broadening(else_expr, broadens, visit);
        }
        _ => {}
    }
}

/// Returns the text before the only wildcard of a pattern, if that is at its end.
fn before_last(pattern: &str) -> Option<&str> {
    pattern.strip_suffix('\0').filter(|before| !before.contains('\0'))
}

fn sibling(attribute: &str, pattern: &str) -> Option<PatternMistake> {
    let before = before_last(pattern)?;
    let of_urls = attribute == "url";
    if !(attribute == "path" || (of_urls && open_host(attribute, pattern).is_none()))
        || !before.ends_with(char::is_alphanumeric)
    {
        return None;
    }
    let message = format!("`{}-old/x` is like `{}*` too", before.escape_debug(), before.escape_debug());
    Some((message, "ask `resource in ..`, or end the pattern with `/*`"))
}

fn query(attribute: &str, pattern: &str) -> Option<PatternMistake> {
    if attribute != "url" || open_host(attribute, pattern).is_some() {
        return None;
    }
    let (before, after) = pattern.split_once('\0')?;
    // Everything after the question mark is the query anyway.
    if before.contains('?') || after.trim_matches('\0').is_empty() {
        return None;
    }
    let message = format!(
        "a query string satisfies `{}`: `{}?{}`",
        pattern.replace('\0', "*").escape_debug(),
        before.escape_debug(),
        after.replace('\0', "").escape_debug()
    );
    Some((message, "ask for `resource.host` and `resource.path`, or `resource in net::Url::\"..\"`"))
}

fn open_host(attribute: &str, pattern: &str) -> Option<PatternMistake> {
    let open = match attribute {
        "url" => {
            let literal = pattern.split('\0').next().unwrap_or_default();
            let host = literal.split_once("://").map(|(_, rest)| rest);
            pattern.contains('\0') && !host.is_some_and(|rest| rest.contains('/'))
        }
        "host" => pattern.ends_with('\0') || (pattern.starts_with('\0') && !pattern.starts_with("\0.")),
        _ => return None,
    };
    let message = || format!("`{}` leaves the host open", pattern.replace('\0', "*").escape_debug());
    open.then(|| {
        (message(), "write the host out, up to the slash after it; of a domain and what is below it, `*.example.com`")
    })
}
