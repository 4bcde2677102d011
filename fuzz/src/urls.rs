//! URLs and hosts in any spelling.

use std::sync::Arc;

use rex_core::journal::Event;
use rex_core::net::{RemoteHost, Url};
use rex_core::{AbsPath, Code, Error, Limits, MemoryJournal, Principal, Run, Subject, Value};
use rex_sdk::{MemOs, Session};

use crate::Constant;

/// Checks that the resource of a request for a URL or a host has one spelling, which is parsed to itself.
pub fn urls(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(spelling) = asked("net::get", vec![text.into()], "get") {
        let url = Url::parse(&spelling);
        let Ok(url) = url else { panic!("{text:?} is asked for as {spelling:?}: {url:?}") };
        assert!(!url.authority().contains(['@', '/', '\\', '%']), "{text:?} has the authority {:?}", url.authority());
        assert!(
            url.path().split('/').all(|part| !matches!(part, "." | "..")),
            "{text:?} has the path {:?}",
            url.path()
        );
        assert_eq!(asked("net::get", vec![spelling.as_str().into()], "get"), Some(spelling.clone()), "{text:?}");
        assert_eq!(asked("net::head", vec![text.into()], "head"), Some(spelling), "{text:?}");
    }
    if let Some(spelling) = asked("net::resolve", vec![text.into()], "resolve") {
        assert!(RemoteHost::parse(&spelling).is_ok(), "{text:?} is asked for as {spelling:?}");
        assert_eq!(asked("net::resolve", vec![spelling.as_str().into()], "resolve"), Some(spelling), "{text:?}");
    }
}

/// Returns the resource of the first request for an action in a call, where everything is denied.
fn asked(operation: &str, args: Vec<Value>, action: &str) -> Option<String> {
    let journal = Arc::new(MemoryJournal::new(100));
    let subject = Subject::new(Principal::agent("fuzz"));
    let run = Run::new("fuzz", subject, Arc::new(Constant(false)), journal.clone(), Limits::default());
    let result: Result<Value, Error> = Session::new(&run, &MemOs::example(), &AbsPath::root()).call(operation, args);
    let code = result.as_ref().err().map(|error| error.code);
    let records = journal.take().0;
    // An address is not resolved, so there is no request.
    let nothing = records.iter().all(|record| !matches!(record.event, Event::Decision { .. }));
    let answered = operation == "net::resolve" && result.is_ok() && nothing;
    assert!(answered || matches!(code, Some(Code::AccessDenied | Code::Validation)), "{result:?}");
    records.into_iter().find_map(|record| match record.event {
        Event::Decision { action: asked, resource, .. } if asked.name == action => Some(resource),
        _ => None,
    })
}
