//! The world of a case, in memory.

use rex_policy::{CaseWorld, ServerPage};
use rex_sdk::MemOs;
use rex_sdk::os::FinishedProgram;

/// Builds a system with what a case names; the world of the examples, if it names nothing.
pub(super) fn system(world: &CaseWorld) -> MemOs {
    if world.is_empty() {
        return MemOs::example();
    }
    let mut os = world.files.iter().fold(MemOs::new(), |os, (path, contents)| os.file(path, contents));
    for (name, state) in &world.units {
        os = os.unit(name, "").unit_in_state(name, state);
    }
    for (pid, (identity, arguments)) in &world.processes {
        let words: Vec<_> = arguments.iter().map(String::as_str).collect();
        os = os.process(*pid, identity.clone(), &words);
    }
    for (path, ending) in &world.programs {
        let (stdout, stderr) = (ending.stdout.clone(), ending.stderr.clone());
        os = os.program_ending(
            path,
            FinishedProgram { status: Some(ending.status), stdout, stderr, ..FinishedProgram::default() },
        );
    }
    for (name, addresses) in &world.hosts {
        os = addresses.iter().fold(os, |os, address| os.host(name, &address.to_string()));
    }
    world.pages.iter().fold(os, |os, (url, page)| os.page(url, answer(page)))
}

fn answer(ServerPage { status, body }: &ServerPage) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} -\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\r\n{body}")
}
