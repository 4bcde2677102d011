//! Advice for text that is not a valid policy: habits of other languages and other policy systems.

use rex_core::action::fs;
use rex_core::{Action, ActionSpec};

use crate::finding::Finding;
use crate::vocabulary::Vocabulary;

/// The message of an error, with the text and the place that it is about.
struct HintContext<'a> {
    said: &'a str,
    text: &'a str,
    offset: usize,
}

impl<'a> HintContext<'a> {
    /// Returns the word or the sign that starts at the place.
    fn word(&self) -> &'a str {
        first_word(self.after())
    }

    fn after(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn before(&self) -> &'a str {
        self.text.get(..self.offset).unwrap_or_default().trim_end()
    }

    /// Returns the word before the place.
    fn last_word(&self) -> &'a str {
        let before = self.before();
        let start = before
            .rfind(|c: char| !is_letter(c))
            .map_or(0, |at| at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
        before.get(start..).unwrap_or_default()
    }

    /// Returns the first name that the message has in backticks.
    fn named(&self) -> &'a str {
        self.said.split('`').nth(1).unwrap_or_default()
    }

    /// Returns the policy up to the place.
    fn head(&self) -> &'a str {
        self.before().rsplit(';').next().unwrap_or_default()
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !is_letter(c)).unwrap_or(text.len());
    match text.chars().next() {
        Some(c) if end == 0 => text.get(..c.len_utf8()).unwrap_or_default(),
        _ => text.get(..end).unwrap_or_default(),
    }
}

/// A row of the table: the start of the message, the words at the place (empty for any), the advice.
type HintRow = (&'static str, &'static [&'static str], &'static str);

/// Errors that a word identifies.
const ROWS: &[HintRow] = &[
    ("unexpected token", &["and", "AND"], "`&&` joins conditions that must all hold"),
    ("unexpected token", &["or", "OR"], "`||` joins conditions of which one must hold"),
    (
        "unexpected token",
        &["matches", "match", "glob", "regex", "contains", "endsWith", "startsWith", "ends_with", "starts_with"],
        LIKE,
    ),
    ("unexpected token", &["equals", "eq", "is_equal"], "`==` compares"),
    ("unexpected token", &["permit", "forbid", "@"], SEMICOLON),
    ("unexpected token", &["where"], "a condition is `when { .. }` or `unless { .. }`"),
    (
        "unexpected token",
        &["KB", "MB", "GB", "TB", "K", "M", "G", "kB", "KiB", "MiB", "GiB", "k", "m"],
        "a number has no unit: bytes are counted one by one, 1 MB is 1000000",
    ),
    ("invalid token", &["#"], "a comment starts with `//`"),
    ("invalid token", &["=", "~"], LIKE),
    (
        "invalid token",
        &["\u{201c}", "\u{201d}", "\u{201e}", "\u{2018}", "\u{2019}"],
        "write text in straight double quotes: `\"..\"`",
    ),
    ("invalid policy condition", &["where", "if", "while", "given"], "a condition is `when { .. }` or `unless { .. }`"),
    ("invalid policy effect", &["allow", "grant", "Permit", "PERMIT"], "did you mean `permit`?"),
    ("invalid policy effect", &["deny", "block", "reject", "Forbid", "FORBID"], "did you mean `forbid`?"),
    ("invalid variable", &["True", "TRUE", "yes"], "did you mean `true`?"),
    ("invalid variable", &["False", "FALSE", "no"], "did you mean `false`?"),
    (
        "invalid variable",
        &["null", "None", "nil", "undefined"],
        "there is no null: every fact is present, and a missing text is empty, `\"\"`",
    ),
    ("invalid variable", &["user", "subject", "who", "agent"], "did you mean `principal`?"),
    (
        "invalid variable",
        &["now", "script", "tags", "bytes", "signal", "mode", "network", "port"],
        "facts of the request are in the context: `context.now`",
    ),
    (
        "invalid variable",
        &["path", "name", "extension", "host", "url"],
        "attributes are those of the resource: `resource.path`",
    ),
    ("multiple relational operators", &[], "put each comparison in brackets, and join them by `&&` or `||`"),
    ("division is not supported", &[], "`//` starts a comment, and there is no operator `/`: write the result"),
];

const LIKE: &str = "texts are compared by `==`, or by `like` with the wildcard `*`: `resource.path like \"/srv/*\"`, `resource.name like \"*.log\"`";
const SEMICOLON: &str = "a policy ends with `;`";
const LIST: &str = "the head takes one: write a condition, `when { [..].contains(VAR) }` for these themselves, `when { VAR in [..] }` for what is in them";

/// Adds advice to a finding about text that does not parse.
pub(crate) fn syntax(mut finding: Finding, vocabulary: &Vocabulary) -> Finding {
    finding.message = plain(&finding.message);
    if let Some(name) = finding.message.strip_prefix("duplicate annotation: @") {
        finding.help = Some(match name {
            "allow" => "join the words of both, separated by a space: `@allow(\"interpreter processes\")`".to_owned(),
            name => format!("keep one `@{name}`"),
        });
        finding.message = format!("a policy has `@{name}` twice");
        return finding;
    }
    let spot = HintContext { said: &finding.message, text: finding.source_text(), offset: finding.offset };
    let form = function_form(&spot);
    let advice = form.or_else(|| row(&spot)).or_else(|| special(&spot)).or_else(|| entity(&spot, vocabulary));
    if advice.is_some() {
        finding.help = advice;
    }
    finding.help = finding.help.map(|help| plain(&help));
    finding
}

/// Replaces Cedar's names for its own types in a message.
pub(crate) fn plain(said: &str) -> String {
    said.replace("__cedar::internal::AnyEntity", "an entity")
        .replace("Set<__cedar::internal::Any>", "a set")
        .replace("__cedar::internal::Any", "anything")
        .replace("__cedar::internal::", "")
        .replace("__cedar::", "")
        .replace("Set<an entity>, or an entity", "an entity or a set of entities")
        .replace("entity uid or matching template slot", "entity, such as `Agent::\"triage\"`")
        .replace("single entity uid or template slot", "one entity")
        .replace("set of entity uids", "list")
        .replace("entity uid", "entity")
        .replace(" in Cedar", "")
}

fn row(spot: &HintContext<'_>) -> Option<String> {
    let named = spot.said.rsplit([' ', '`']).find(|part| !part.is_empty()).unwrap_or_default();
    let fits = |(said, words, _): &&HintRow| {
        let at = words.contains(&spot.word()) || words.contains(&named);
        // The place can be inside a sign of several characters, so the word that the message ends with counts, too.
        spot.said.starts_with(said) && (words.is_empty() || at)
    };
    ROWS.iter().find(fits).map(|(.., help)| (*help).to_owned())
}

/// Returns advice for an error that a word does not identify.
fn special(spot: &HintContext<'_>) -> Option<String> {
    let said = spot.said;
    let text = |help: &str| Some(help.to_owned());
    let in_head = spot.head().rfind('(').is_some_and(|open| !spot.head().get(open..).unwrap_or_default().contains(')'));
    if said.starts_with("unexpected end of input") {
        let ended = spot.text.trim_end().ends_with(';');
        return if ended { text("a bracket, a brace or a text is not closed") } else { text(SEMICOLON) };
    }
    if said.starts_with("unexpected token") {
        return match (spot.word(), spot.last_word()) {
            _ if spot.after().starts_with("/*") => text("a comment starts with `//` and ends with the line"),
            (";", _) if spot.before().ends_with(';') => text("one `;` too many"),
            (_, "not" | "NOT") => text("use `!`: `!(..)`, or `unless { .. }`"),
            (_, "permit" | "forbid") => text("a policy ends with `;`, and starts with `permit (` or `forbid (`"),
            (_, "when" | "unless") => text("write a condition in braces: `when { .. }`"),
            (":", _) if in_head => Some(format!(
                "several actions are a list: `action in [{}, {}]`",
                written(fs::Read::SPEC),
                written(fs::List::SPEC)
            )),
            ("like", variable @ ("resource" | "principal" | "action")) if in_head => Some(format!(
                "the head takes `==`, `in` and `is`: write `{variable}` there, and `when {{ resource.path like \"..\" }}` after it"
            )),
            (".", "resource" | "principal") if in_head => text(
                "the head takes `==`, `in` and `is`: what is asked of an attribute goes after it, `when { resource.path like \"..\" }`",
            ),
            (word, _) if word.starts_with('o') && spot.before().ends_with('0') => {
                text("numbers are decimal: 0644 is 420, 0600 is 384, 0755 is 493")
            }
            (word, _) if spot.before().ends_with('.') && word.bytes().all(|byte| byte.is_ascii_digit()) => {
                text("numbers are whole")
            }
            ("}", _) if spot.head().contains("if ") => text("each `if` has its `then` and its `else`"),
            _ => None,
        };
    }
    if said.contains("found list") {
        let variable = if spot.head().contains(',') { "resource" } else { "principal" };
        return Some(LIST.replace("VAR", variable));
    }
    if said.contains("is not a valid method") || said.contains("is not a valid function") {
        let like = ["match", "regex", "glob", "start", "end", "prefix", "suffix", "contain", "has", "test", "find"];
        let name = spot.named().to_lowercase();
        if ["time", "now", "hour", "minute", "clock", "weekday", "today", "date"].iter().any(|word| name.contains(word))
        {
            return text(CLOCK);
        }
        return if like.iter().any(|word| name.contains(word)) {
            text(LIKE)
        } else {
            text(
                "the functions are `.contains`, `.containsAny`, `.containsAll`, `.isEmpty`, `ip(..)`, `datetime(..)`, `duration(..)` and what these have",
            )
        };
    }
    None
}

/// Returns advice for a policy in the form of other systems: `permit(who = .., action = .., resource = ..)`.
fn function_form(spot: &HintContext<'_>) -> Option<String> {
    let named = [
        "variable in the policy scope",
        "'=' is not a valid operator",
        "extra element in the scope",
        "is missing the `",
    ];
    let start = spot.head().len();
    let policy = spot.text.get(spot.before().len().saturating_sub(start)..).unwrap_or_default();
    let head = policy.split_once('(').and_then(|(_, rest)| rest.split(')').next()).unwrap_or_default();
    let foreign = ["who", "user", "subject", "principals", "actions", "resources", "effect", "path"];
    let form = foreign.iter().any(|word| head.split([',', '(']).any(|part| first_word(part.trim_start()) == *word))
        || head.split(',').any(|part| part.replace("==", "").contains('='));
    (form && named.iter().any(|said| spot.said.contains(said))).then(|| {
        let action = written(fs::Read::SPEC);
        format!(
            "a policy looks like `permit (principal == Agent::\"triage\", action == {action}, resource in fs::Path::\"/var/log\");`"
        )
    })
}

/// Returns an action as policies write it.
fn written(spec: &ActionSpec) -> String {
    format!("{}::Action::\"{}\"", spec.namespace, spec.name)
}

/// Returns advice for an entity in a wrong form: `Agent::me`, `"Agent::me"`, `"read"`, `"/var/log"`.
fn entity(spot: &HintContext<'_>, vocabulary: &Vocabulary) -> Option<String> {
    let (_, found) = spot.said.split_once(", found ")?;
    let written = found.split('`').nth(1)?.trim_matches('"');
    let meant = if let Some((kind, id)) = written.rsplit_once("::") {
        let kind = kind.trim_end_matches("::Action");
        let action = vocabulary.actions().iter().any(|spec| spec.namespace == kind && spec.name == id);
        if action { format!("{kind}::Action::\"{id}\"") } else { format!("{}::\"{}\"", kind, id.trim_matches('"')) }
    } else if written.starts_with('/') {
        format!("fs::Path::\"{written}\"")
    } else if written.starts_with("http") {
        format!("net::Url::\"{written}\"")
    } else if spot.said.starts_with("expected an entity, found") && named_like(vocabulary, written).next().is_some() {
        named_like(vocabulary, written).next()?
    } else if ["Agent", "User", "Group"].contains(&written) {
        format!("{written}::\"..\"")
    } else {
        return None;
    };
    Some(format!("an entity is its type and its id: `{meant}`"))
}

/// Returns the actions with a name, in any namespace, as policies write them.
pub(crate) fn named_like<'v>(vocabulary: &'v Vocabulary, name: &str) -> impl Iterator<Item = String> + use<'v> {
    let name = name.to_lowercase();
    let named = vocabulary.actions().iter().filter(move |spec| spec.name == name);
    named.map(|spec| format!("{}::Action::\"{}\"", spec.namespace, spec.name))
}

/// The advice on the time of day.
pub(crate) const CLOCK: &str = "of the time of day, in UTC, ask `context.now.toTime() >= duration(\"9h\") && context.now.toTime() < duration(\"17h30m\")`";
const MOMENT: &str = "a time is compared with a time, `context.now < datetime(\"2026-12-31\")`, and the time of day, in UTC, with a length of time, `context.now.toTime() >= duration(\"9h\")`";
const WRITTEN: &str = "a time is written `datetime(\"2026-01-01T00:00:00Z\")`, a day asked for by `context.now.toDate() == datetime(\"2026-01-01\")`";
const LENGTH: &str = "a length of time is written with its units, `duration(\"9h30m\")`: `d`, `h`, `m`, `s`, `ms`; the time of day, in UTC, is `context.now.toTime()`";

/// Advice for type errors: two parts that the message has, and the advice.
const TYPES: &[(&str, &str, &str)] = &[
    ("not compatible", "ipaddr", "an address is written `ip(\"10.0.0.1\")`"),
    ("expected ipaddr", "String", "a range of addresses is written `ip(\"10.0.0.0/8\")`"),
    ("saw ipaddr", "expected String", "of addresses, ask `context.address.isInRange(ip(\"10.0.0.0/8\"))`"),
    ("expected datetime but saw String", "", WRITTEN),
    ("not compatible", "String and datetime", WRITTEN),
    ("not compatible", "datetime and String", WRITTEN),
    ("expected String but saw datetime", "", WRITTEN),
    ("expected datetime but saw duration", "", MOMENT),
    ("expected duration but saw datetime", "", MOMENT),
    ("not compatible", "datetime and duration", MOMENT),
    ("not compatible", "duration and datetime", MOMENT),
    ("expected duration but saw", "", LENGTH),
    ("expected Long but saw duration", "", LENGTH),
    ("not compatible", "duration", LENGTH),
    ("failed to parse as a duration value", "", LENGTH),
    (
        "failed to parse as a datetime value",
        "",
        "a time is a date, `datetime(\"2026-12-31\")`, or a date with a time, `datetime(\"2026-12-31T22:00:00Z\")`; the time of day, in UTC, is `context.now.toTime() >= duration(\"9h\")`",
    ),
    ("Set<duration>", "expected an entity", CLOCK),
    ("OpenRecord", "saw datetime", CLOCK),
    (
        "saw datetime",
        "expected Long",
        "a time is compared with a time: `datetime(\"2026-01-01T00:00:00Z\")`; for `+` and `-` there are `context.now.offset(duration(\"1d\"))` and `context.now.durationSince(..)`",
    ),
    ("expected datetime, or duration, or Long but saw String", "", "texts have no order: compare by `==` or `like`"),
    (
        "not compatible",
        "Set<String>",
        "of a set, ask `.contains(\"..\")`; of several texts, `[\"a\", \"b\"].contains(..)`",
    ),
    ("types Long and String", "", "write numbers without quotes"),
    ("types String and Long", "", "write numbers without quotes"),
    ("expected Long but saw String", "", "write numbers without quotes, and without a unit"),
    (
        "not compatible",
        "String and fs::Path",
        "write it as an entity, `fs::Path::\"/srv/x\"`, or compare `resource.path`",
    ),
    (
        "not compatible",
        "String and process::Program",
        "write it as an entity, `process::Program::\"/usr/bin/x\"`, or compare `resource.path`",
    ),
    (
        "not compatible",
        "String and service::Unit",
        "write it as an entity, `service::Unit::\"nginx.service\"`, or compare `resource.name`",
    ),
    (
        "not compatible",
        "String and net::",
        "write it as an entity, `net::Host::\"example.com\"`, or compare an attribute of the resource",
    ),
    ("not compatible", "String and Agent", "write it as an entity: `Agent::\"triage\"`"),
    ("not compatible", "String and User", "write it as an entity: `User::\"root\"`"),
    ("expected an entity", "saw Set<", "`in` is for entities; of texts and numbers, ask `[..].contains(..)`"),
    ("expected an entity but saw", "", "`in` is for entities; of texts and numbers, ask `[..].contains(..)`"),
    ("expected an entity or a set", "saw String", "write it as an entity: `resource in fs::Path::\"/srv\"`"),
    ("expected a set but saw String", "", LIKE),
    ("expected Bool but saw", "", "each side of `&&` and `||` is a whole comparison"),
];

/// Returns advice for a type error.
pub(crate) fn types(said: &str) -> Option<String> {
    let row = TYPES.iter().find(|(one, other, _)| said.contains(one) && said.contains(other));
    row.map(|(.., help)| (*help).to_owned()).or_else(|| {
        is_mixed(said).then(|| "a list holds actions of one namespace: write one policy for each namespace".to_owned())
    })
}

/// Returns whether an error is about actions of several namespaces in one list.
fn is_mixed(said: &str) -> bool {
    said.contains("::Action and ") && said.contains("not compatible")
}

/// Rewords an error about actions of several namespaces in one list; `None` for other errors.
pub(crate) fn mixed(said: &str) -> Option<String> {
    let mut spaces = said.split_whitespace().filter_map(|word| word.strip_suffix("::Action"));
    let (one, other) = (spaces.next()?, spaces.next()?);
    is_mixed(said).then(|| format!("actions of `{one}` and of `{other}` are in one list"))
}
