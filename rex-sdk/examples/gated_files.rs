//! rex-sdk alone: real files behind a custom policy, with a journal and without a script language.

#[cfg(target_os = "linux")]
use linux::main;

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::Arc;

    use rex_core::action::fs;
    use rex_core::{AbsPath, Authorize, Decision, Error, JsonLines, Limits, Principal, Request, Run, Subject, Value};
    use rex_sdk::os::{Files, WriteOptions};
    use rex_sdk::{HostOs, Session};

    /// A policy that permits reading everything below one directory, and writing only notes.
    struct Notes {
        directory: String,
    }

    impl Authorize for Notes {
        fn decide(&self, request: &Request<'_>) -> Decision {
            let path = request.resource.id();
            match request.action.spec().name {
                "read" | "list" | "stat" if path.starts_with(&self.directory) => Decision::allow(&["look-around"]),
                "append" if path.starts_with(&self.directory) && path.ends_with(".note") => {
                    Decision::allow(&["take-notes"])
                }
                _ => Decision::deny(None),
            }
        }

        fn remedy(&self, _: &Request<'_>, _: &Decision) -> Option<String> {
            Some(format!("files in `{}` can be read, and its notes appended to", self.directory))
        }
    }

    pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        #[expect(clippy::disallowed_methods, reason = "this is the program around Rex, which prepares the ground")]
        std::fs::write(directory.path().join("version.txt"), "1.4.2\n")?;
        let base = AbsPath::parse(&directory.path().to_string_lossy())?;

        let policy = Arc::new(Notes { directory: format!("{base}/") });
        let journal = Arc::new(JsonLines::new(std::io::stdout()));
        let run = Run::new("example", Subject::new(Principal::agent("clerk")), policy, journal, Limits::default());
        let os = HostOs::default();
        let session = Session::new(&run, &os, &base);

        // Call an operation by its name, as a script would.
        let version = base.join("version.txt")?;
        tell(session.call("fs::read", vec![text("version.txt")]));
        tell(session.call("fs::read", vec![text("/etc/shadow")]));
        // One level below: request an action, and spend the grant on the system.
        let line = b"looked at the version\n";
        let note = session.act(fs::Append { bytes: 22 }, base.join("today.note")?, |grant| os.append(grant, line));
        tell(note.map(|()| text("noted")));
        let write = session.act(fs::Write { bytes: 6 }, version, |grant| {
            os.write(grant, &mut b"9.9.9\n".as_slice(), WriteOptions::default())
        });
        tell(write.map(|bytes| Value::Int(i64::try_from(bytes).unwrap_or(i64::MAX))));
        Ok(())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[expect(clippy::print_stdout, reason = "an example talks to its reader")]
    fn tell(result: Result<Value, Error>) {
        match result {
            Ok(value) => println!("=> {value:?}"),
            Err(error) => println!("=> {error} ({})", error.help.as_deref().unwrap_or_default()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), &'static str> {
    Err("this needs Linux")
}
