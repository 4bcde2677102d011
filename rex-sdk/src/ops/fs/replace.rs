//! `fs::replace`

use std::io::Cursor;

use regex::{Captures, NoExpand, Regex, RegexBuilder, Replacer};
use regex_automata::util::interpolate;
use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{Action, Code, Error, Value};

use super::diff::unified;
use super::grep::{shown, why};
use crate::groups::known_groups;
use crate::os::WriteOptions;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Maximum length of a pattern, and maximum size of a compiled one, in bytes.
const PATTERN_BYTES: usize = rex_core::bounds::REPLACE_PATTERN_BYTES;
const COMPILED_BYTES: usize = 1 << 20;
/// Maximum length of a returned diff, in bytes.
const DIFF_BYTES: usize = rex_core::bounds::REPLACE_DIFF_BYTES;

/// Replaces text in a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::replace",
        aliases: &[],
        needs: &[fs::Read::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file; of a symbolic link, the file that it leads to."),
            Param::required("pattern", ParamKind::Text, "What is replaced.").of(ParamForm::Pattern("regex", true)),
            Param::required(
                "replacement",
                ParamKind::Text,
                "By what. With `regex`, `$1` and `${name}` stand for groups, `$$` for a dollar.",
            ),
            Param::option(
                "regex",
                ParamKind::Bool,
                Literal::Bool(false),
                "Take the pattern as a regular expression in the syntax of Rust's `regex` crate, `^` and `$` at every line.",
            ),
            Param::option("first", ParamKind::Bool, Literal::Bool(false), "Replace the first only."),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`count` of what was replaced; `diff`: the change as a unified diff, `()` if that would be longer than 64 KiB. Where nothing is \
                  replaced, nothing is written.",
        },
        doc: "Replaces text in a file.\nThe file must be UTF-8. It changes all at once: whoever looks sees the old one or the new one.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv/app/config.yaml", "8080", "9090"]"#,
            returns: r#"{"count":1,"diff":"--- /srv/app/config.yaml\n+++ /srv/app/config.yaml\n@@ -1 +1 @@\n-port: 8080\n+port: 9090\n"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (path, replacement) = (args.path("path")?, args.text("replacement")?);
    let source = session.open(path)?;
    // The path after all links: the file that was read is written, even if a link changes in the meantime.
    let path = source.path().clone();
    // The file keeps its mode; if it is removed in the meantime, the new file is private, as its contents may be.
    let options = WriteOptions { private: true, ..WriteOptions::default() };
    let shown = path.as_str().escape_debug().to_string();
    let pattern = pattern(args)?;
    let old = String::from_utf8(source.read_all()?)
        .map_err(|_| Error::new(Code::Unsupported, format!("`{shown}` is not UTF-8, and is left as it is")))?;
    let replaced = if args.flag("regex")? && replacement.contains('$') {
        let index = |name: &str| pattern.capture_names().position(|known| known == Some(name));
        known_groups(replacement, pattern.captures_len(), &index)?;
        let expanded = |found: &Captures<'_>| expanded(&pattern, found, replacement);
        replace(session, &pattern, &old, (replacement, &expanded), args.flag("first")?)?
    } else {
        replace(session, &pattern, &old, (NoExpand(replacement), &|_| replacement.len()), args.flag("first")?)?
    };
    let Some((new, count)) = replaced else {
        return Ok(Value::map([("count", Value::Int(0)), ("diff", "".into())]));
    };
    // A diff that does not fit into memory is left out, like one that is too long.
    let diff = unified(session, (&path, &old), (&path, &new), 3).ok().filter(|diff| diff.len() <= DIFF_BYTES);
    let action = fs::Write { bytes: i64::try_from(new.len()).unwrap_or(i64::MAX) };
    let mut contents = Cursor::new(new);
    session.act(action, path, |grant| {
        // The action may have been requested again, because a link appeared in the meantime.
        session.put(grant, &mut contents, options)
    })?;
    let diff = diff.map_or(Value::Null, Value::Text);
    Ok(Value::map([("count", Value::count(count)), ("diff", diff)]))
}

fn pattern(args: &Args) -> Result<Regex, Error> {
    let text = args.text("pattern")?;
    if text.is_empty() {
        return Err(refuse("fs::replace", text, "it is empty"));
    }
    let regex = if args.flag("regex")? { text.to_owned() } else { regex::escape(text) };
    compile("fs::replace", text, &regex)
}

fn refuse(operation: &str, text: &str, why: &str) -> Error {
    Error::validation(format!("`{}` is not a pattern for `{operation}`: {why}", shown(text)))
}

/// Compiles a regular expression within bounds. Errors quote `text`.
pub(super) fn compile(operation: &str, text: &str, regex: &str) -> Result<Regex, Error> {
    let refuse = |why: &str| refuse(operation, text, why);
    if text.len() > PATTERN_BYTES {
        return Err(refuse(&format!("it is longer than {PATTERN_BYTES} bytes")));
    }
    let built =
        RegexBuilder::new(regex).multi_line(true).size_limit(COMPILED_BYTES).dfa_size_limit(COMPILED_BYTES).build();
    built.map_err(|error| refuse(&why(&error)))
}

/// Returns the length of a replacement with groups for a match: it may contain a group many times.
fn expanded(pattern: &Regex, found: &Captures<'_>, replacement: &str) -> usize {
    let (mut plain, mut groups) = (String::new(), 0_usize);
    let group = |index: usize, _: &mut String| {
        groups = groups.saturating_add(found.get(index).map_or(0, |group| group.len()));
    };
    let index = |name: &str| pattern.capture_names().position(|known| known == Some(name));
    interpolate::string(replacement, group, index, &mut plain);
    groups.saturating_add(plain.len())
}

/// Returns the new text and the number of replacements; `None` without any. `length` measures the
/// replacement for a match.
fn replace(
    session: &Session<'_>,
    pattern: &Regex,
    old: &str,
    (mut replacement, length): (impl Replacer, &dyn Fn(&Captures<'_>) -> usize),
    first: bool,
) -> Result<Option<(String, u64)>, Error> {
    let limit = session.limits().file_bytes;
    let (mut new, mut count, mut end) = (String::new(), 0_u64, 0);
    for found in pattern.captures_iter(old) {
        session.run.budget().check()?;
        let Some(whole) = found.get(0) else { continue };
        new.push_str(old.get(end..whole.start()).unwrap_or_default());
        let wanted = (new.len() as u64).saturating_add(length(&found) as u64);
        if wanted > limit {
            return Err(exceeded("file_bytes", limit, "bytes of one file in memory"));
        }
        if wanted > new.capacity() as u64 {
            // A string grows by doubling.
            session.run.budget().ask_memory(2 * wanted)?;
        }
        replacement.replace_append(&found, &mut new);
        (end, count) = (whole.end(), count + 1);
        if first {
            break;
        }
    }
    new.push_str(old.get(end..).unwrap_or_default());
    Ok((count > 0).then_some((new, count)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    #[track_caller]
    fn check(args: &str, count: i64, contents: &str) {
        let world = World::new(MemOs::new().file("/f", "a.b aXb\nport = 80\nport = 81\n"));
        let value = world.call("fs::replace", &format!(r#"["/f", {args}]"#)).unwrap();
        assert_eq!(value.get("count"), Some(&Value::Int(count)), "{args}");
        assert_eq!(world.os.contents("/f").unwrap(), contents.as_bytes(), "{args}");
        assert_eq!(world.asked().len(), if count == 0 { 1 } else { 2 }, "{args}");
    }

    #[test]
    fn text_is_text_and_patterns_are_patterns() {
        check(r#""a.b", "$0""#, 1, "$0 aXb\nport = 80\nport = 81\n");
        check(r#""a.b", "$0$0", {"regex": true}"#, 2, "a.ba.b aXbaXb\nport = 80\nport = 81\n");
        check(r#""^port = (\\d+)$", "port = 1$1", {"regex": true}"#, 2, "a.b aXb\nport = 180\nport = 181\n");
        check(r#""port", "p", {"first": true}"#, 1, "a.b aXb\np = 80\nport = 81\n");
        check(r#""none", "p""#, 0, "a.b aXb\nport = 80\nport = 81\n");
        check(r#""8", """#, 2, "a.b aXb\nport = 0\nport = 1\n");
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let world = World::ruled(MemOs::example(), |action, path| action != "write" || path == "/srv/app/logs/app.log");
        let value = world.call("fs::replace", r#"["current.log", "WARN", "NOTE", {"first": true}]"#).unwrap();
        assert_eq!(value.get("count"), Some(&Value::Int(1)));
        assert_eq!(
            world.asked(),
            ["read /srv/app/current.log", "read /srv/app/logs/app.log", "write /srv/app/logs/app.log"]
        );
        assert_eq!(world.fails("fs::replace", r#"["version.txt", "1", "2"]"#), Code::AccessDenied);
        assert_eq!(world.os.contents("/srv/app/version.txt").unwrap(), b"1.4.2\n");
    }

    #[test]
    fn what_cannot_be_done_right_is_not_done() {
        let limits = rex_core::Limits { file_bytes: 1_000, ..rex_core::Limits::default() };
        let world =
            World::limited(MemOs::new().file("/raw", b"\xff1").file("/f", "x".repeat(900)), |_, _| true, limits);
        for (args, code) in [
            (r#"["/raw", "1", "2"]"#, Code::Unsupported),
            (r#"["/f", "x", "yy"]"#, Code::LimitExceeded),
            (r#"["/f", "", "y"]"#, Code::Validation),
            (r#"["/f", "(", "y", {"regex": true}]"#, Code::Validation),
            (r#"["/f", "((a{100}){100}){100}", "y", {"regex": true}]"#, Code::Validation),
        ] {
            assert_eq!(world.fails("fs::replace", args), code, "{args}");
        }
        assert_eq!(world.os.contents("/f").unwrap(), "x".repeat(900).as_bytes());
        let error = world.call("fs::replace", r#"["/f", "[\n", "y", {"regex": true}]"#).unwrap_err();
        assert_eq!(error.message, r"`[\n` is not a pattern for `fs::replace`: unclosed character class");
    }
}
