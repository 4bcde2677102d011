//! `fs::diff`

use std::time::Duration;

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Code, Error, Value};
use similar::TextDiff;

use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Maximum time to search for the shortest difference. After that, a longer one is returned.
const TIME: Duration = Duration::from_millis(500);

/// Bytes of memory that a line takes during the comparison, beyond its text.
const LINE_BYTES: usize = 96;

/// Compares two text files.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::diff",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[
            Param::required("old", ParamKind::Path, "The one file."),
            Param::required("new", ParamKind::Path, "The other."),
            Param::option(
                "context",
                ParamKind::Count,
                Literal::Int(3),
                "How many lines to show before and after each change.",
            ),
        ],
        returns: ReturnSpec { kind: "text", doc: "A unified diff; empty if they are the same." },
        doc: "Compares two text files, line by line.\nOnes that are compressed by gzip, Zstandard, xz or bzip2 are compared by what is in them. Both must be UTF-8. \
              What `diff -u` finds may be shorter where files are large and differ much.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv/app/version.txt", "/srv/app/config.yaml"]"#,
            returns: r#""--- /srv/app/version.txt\n+++ /srv/app/config.yaml\n@@ -1 +1 @@\n-1.4.2\n+port: 8080\n""#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (old, new) = (args.path("old")?, args.path("new")?);
    let context = usize::try_from(args.count("context")?).unwrap_or(usize::MAX);
    let (old_text, new_text) = (text(session, &old)?, text(session, &new)?);
    Ok(Value::Text(unified(session, (&old, &old_text), (&new, &new_text), context)?))
}

fn text(session: &Session<'_>, path: &AbsPath) -> Result<String, Error> {
    String::from_utf8(session.open(path.clone())?.read_all_expanded()?).map_err(|_| {
        let path = path.as_str().escape_debug();
        Error::new(Code::Unsupported, format!("`{path}` is not UTF-8"))
            .with_help("use `fs::checksum` to compare the files")
    })
}

/// Returns a unified diff of two named texts.
///
/// # Errors
/// If it takes more memory than the run has left.
pub(super) fn unified(
    session: &Session<'_>,
    (old_path, old): (&AbsPath, &str),
    (new_path, new): (&AbsPath, &str),
    context: usize,
) -> Result<String, Error> {
    let (texts, lines) = (old.len() + new.len(), old.lines().count() + new.lines().count());
    session.run.budget().ask_memory((3 * texts + LINE_BYTES * lines) as u64)?;
    let time = TIME.min(session.run.budget().remaining());
    let diff = TextDiff::configure().timeout(time).diff_lines(old, new);
    let [old_path, new_path] = [old_path, new_path].map(|path| path.as_str().escape_debug().to_string());
    Ok(diff.unified_diff().context_radius(context).header(&old_path, &new_path).to_string())
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    #[test]
    fn changes_come_with_their_context() {
        let lines = |changed: &str| {
            (1..=9)
                .map(|number| if number == 5 { changed.to_owned() } else { number.to_string() } + "\n")
                .collect::<String>()
        };
        let world = World::new(MemOs::new().file("/a", lines("five")).file("/b", lines("5")).file("/raw", b"\xff"));
        assert_eq!(world.call("fs::diff", r#"["/a", "/a"]"#).unwrap(), "".into());
        let diff = "--- /a\n+++ /b\n@@ -4,3 +4,3 @@\n 4\n-five\n+5\n 6\n";
        assert_eq!(world.call("fs::diff", r#"["/a", "/b", {"context": 1}]"#).unwrap(), diff.into());
        assert_eq!(world.fails("fs::diff", r#"["/a", "/raw"]"#), Code::Unsupported);
        let huge = r#"["/a", "/b", {"context": 9223372036854775807}]"#;
        assert!(matches!(world.call("fs::diff", huge).unwrap(), Value::Text(text) if text.lines().count() == 13));
    }

    #[test]
    fn both_names_need_a_permission() {
        let world = World::ruled(MemOs::example(), |_, path| path != "/etc/hosts");
        assert_eq!(world.fails("fs::diff", r#"["version.txt", "/etc/hosts"]"#), Code::AccessDenied);
        assert_eq!(world.asked(), ["read /srv/app/version.txt", "!read /etc/hosts"]);
    }
}
