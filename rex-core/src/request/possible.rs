//! A check that facts are possible in a run, by the values of their declarations.

use std::net::IpAddr;

use super::{FactBuf, RequestError};
use crate::action::ActionSpec;
use crate::resource::{AnyResource, Attribute, Fact, Resource, Unit};
use crate::values::{SHA256, TAG, ValueSet};
use crate::{Subject, Value};

/// Checks that a run can have the script and the tags of a subject.
///
/// # Errors
/// If a tag is not `key=value`, or the script is neither empty nor a SHA-256.
pub fn check_subject(subject: &Subject) -> Result<(), RequestError> {
    for tag in &subject.tags {
        check_text("a tag", tag, ValueSet::Form(&TAG))?;
    }
    check_text("the script", &subject.script, ValueSet::Form(&SHA256))
}

/// Checks the facts of a request.
pub(super) fn check_facts(spec: &ActionSpec, facts: &[(&'static str, FactBuf)]) -> Result<(), RequestError> {
    for (name, known) in facts {
        let Some(declared) = spec.context.iter().find(|fact| fact.name == *name) else { continue };
        check_value(&format!("`{name}` in the context of `{spec}`"), known.fact(), declared)?;
    }
    Ok(())
}

/// Checks the attributes of a resource, and that its id is spelled as in requests.
pub(super) fn check_resource(resource: &dyn AnyResource, written: &str) -> Result<(), RequestError> {
    let (kind, id) = (resource.spec(), resource.id());
    // A service may have its short name, without `.service`.
    let short = kind == Unit::SPEC && id.strip_suffix(".service") == Some(written);
    if id != written && !short {
        let message = format!("no request has the `{kind}` `{}`", written.escape_debug());
        let help = format!("did you mean `{}`? requests have names in canonical form", id.escape_debug());
        return Err(RequestError { message, help: Some(help) });
    }
    check_attributes(resource)
}

/// Checks that a resource can have its attributes.
///
/// # Errors
/// If no resource of the type has the value of one of them.
pub fn check_attributes(resource: &dyn AnyResource) -> Result<(), RequestError> {
    let (kind, id) = (resource.spec(), resource.id());
    let mut wrong = Ok(());
    resource.attributes(&mut |name, fact| {
        if let (Some(declared), Ok(())) = (kind.attributes.iter().find(|one| one.name == name), &wrong) {
            let what = format!("`{name}` of the `{kind}` `{}`", id.escape_debug());
            wrong = check_value(&what, fact, declared);
        }
    });
    wrong
}

fn check_value(what: &str, fact: Fact<'_>, declared: &Attribute) -> Result<(), RequestError> {
    match fact {
        Fact::String(text) => check_text(what, text, declared.values),
        Fact::Long(number) if !declared.values.has_number(number) => {
            Err(never(what, &number.to_string(), declared.values, None))
        }
        Fact::Ip(address) if address.to_canonical() != address => {
            let meant = address.to_canonical();
            let help = format!("did you mean `{meant}`? an address of version 4 is written as such");
            Err(RequestError { message: format!("{what} is never `{address}`"), help: Some(help) })
        }
        Fact::Long(_) | Fact::Ip(_) | Fact::Bool(_) => Ok(()),
    }
}

fn check_text(what: &str, text: &str, values: ValueSet) -> Result<(), RequestError> {
    if values.has(text) {
        return Ok(());
    }
    Err(never(what, text, values, values.meant(text)))
}

fn never(what: &str, value: &str, values: ValueSet, meant: Option<String>) -> RequestError {
    let meant = meant.map_or_else(String::new, |meant| format!("did you mean `{}`? ", meant.escape_debug()));
    RequestError {
        message: format!("{what} is never `{}`", value.escape_debug()),
        help: Some(format!("{meant}it is {values}")),
    }
}

/// Returns advice on a text that should be an address.
pub(super) fn address(value: &Value) -> Option<String> {
    let Value::Text(text) = value else { return None };
    let (host, _) = text.split_once('/')?;
    let host: IpAddr = host.parse().ok()?;
    Some(format!("it is one host, such as `{host}`, and never a network"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{RequestBuf, RequestSpec};
    use super::*;
    use crate::{ACTIONS, Principal, Timestamp};

    fn asked(
        action: &str,
        resource: &str,
        attributes: &[(&str, Value)],
        context: &[(&str, Value)],
    ) -> Result<RequestBuf, RequestError> {
        let map = |all: &[(&str, Value)]| -> BTreeMap<String, Value> {
            all.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let written = RequestSpec { action, resource, attributes: map(attributes), context: map(context) };
        RequestBuf::consistent(ACTIONS, &written, Subject::new(Principal::agent("a")), Timestamp::from_micros(0))
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn facts_that_no_run_has_are_refused_with_those_that_it_can_have() {
        let process = [("name", text("nginx"))];
        let user = [("name", text("nginx")), ("user", text("0"))];
        let unit = [("name", text("nginx")), ("unit", text("nginx"))];
        let exe = [("name", text("nginx")), ("exe", text("/usr//sbin/nginx"))];
        let term = [("signal", text("TERM"))];
        let connect = |address: &str, network: &str, port: i64| {
            [("address", text(address)), ("network", text(network)), ("port", Value::Int(port))]
        };
        let ip = connect("::ffff:10.0.0.1", "private", 1);
        let network = connect("10.0.0.0/8", "private", 1);
        let far = connect("10.0.0.1", "private", 99_999);
        let run = |name: &'static str, value: &str| {
            let mut run = vec![("arguments", text("")), ("environment", text("")), ("directory", text("/"))];
            run.extend([("user", text("")), ("stdin", Value::Bool(false))]);
            run.retain(|(known, _)| *known != name);
            run.push((name, text(value)));
            run
        };
        let (directory, number) = (run("directory", "/srv/"), run("user", "1000"));
        let short = [("sha256", text("DEADBEEF"))];
        type Row<'a> = (&'a str, &'a str, &'a [(&'a str, Value)], &'a [(&'a str, Value)], &'a str, &'a str);
        let rows: &[Row<'_>] = &[
            (
                "process::signal",
                "7",
                &process,
                &[("signal", text("SIGKILL"))],
                "never `SIGKILL`",
                "did you mean `KILL`?",
            ),
            ("process::signal", "7", &user, &term, "never `0`", "did you mean `root`?"),
            ("process::signal", "7", &unit, &term, "never `nginx`", "did you mean `nginx.service`?"),
            ("process::signal", "7", &exe, &term, "never `/usr//sbin/nginx`", "did you mean `/usr/sbin/nginx`?"),
            ("process::signal", "0", &process, &term, "`pid` of", "from 1"),
            (
                "net::connect",
                "a.example",
                &[],
                &far,
                "`port` in the context of `net::connect` is never `99999`",
                "from 0 to 65535",
            ),
            ("net::connect", "a.example", &[], &ip, "never `::ffff:10.0.0.1`", "did you mean `10.0.0.1`?"),
            ("net::connect", "a.example", &[], &network, "not `\"10.0.0.0/8\"`", "one host, such as `10.0.0.0`"),
            ("process::run", "/usr/bin/id", &[], &directory, "never `/srv/`", "did you mean `/srv`?"),
            ("process::run", "/usr/bin/id", &[], &number, "never `1000`", "not the number"),
            ("process::run", "/usr/bin/id", &short, &run("user", ""), "`sha256` of", "64 lower-case"),
            (
                "fs::read",
                "/etc//hosts",
                &[],
                &[],
                "no request has the `fs::Path` `/etc//hosts`",
                "did you mean `/etc/hosts`?",
            ),
            ("fs::read", "/etc/../etc/hosts", &[], &[], "no request", "did you mean `/etc/hosts`?"),
            ("fs::read", "fs::Path::\"/etc/\"", &[], &[], "no request has", "did you mean `/etc`?"),
            ("fs::write", "/a", &[], &[("bytes", Value::Int(-1))], "never `-1`", "at least 0"),
            ("fs::chmod", "/a", &[], &[("mode", Value::Int(5000))], "never `5000`", "from 0 to 4095"),
        ];
        for (action, resource, attributes, context, message, help) in rows {
            let error = asked(action, resource, attributes, context).unwrap_err();
            let told = error.help.clone().unwrap_or_default();
            assert!(error.message.contains(message) && told.contains(help), "{action} {resource}: {error} {told}");
        }
        asked("process::signal", "7", &process, &term).unwrap();
        asked("service::restart", "nginx", &[], &[]).unwrap();
        asked("process::run", "/usr/bin/id", &[], &run("user", "www-data")).unwrap();
    }

    #[test]
    fn tags_and_scripts_have_their_forms() {
        let subject = |script: &str, tags: &[&str]| Subject {
            script: script.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Subject::new(Principal::agent("a"))
        };
        check_subject(&subject("", &["a=b", "c="])).unwrap();
        check_subject(&subject(&"a".repeat(64), &[])).unwrap();
        let error = check_subject(&subject("", &["urgent"])).unwrap_err();
        assert_eq!(error.message, "a tag is never `urgent`");
        assert_eq!(error.help.unwrap(), "it is a tag of the form `key=value`");
        assert!(check_subject(&subject("ABC", &[])).unwrap_err().message.contains("the script is never `ABC`"));
    }
}
