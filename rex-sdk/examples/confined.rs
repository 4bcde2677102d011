//! A worker that confines itself to reading one directory, without any policy engine: `cargo run --example confined`.

#[cfg(target_os = "linux")]
use linux::main;

#[cfg(target_os = "linux")]
mod linux {
    #![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example, which opens what it must not")]

    use std::collections::BTreeSet;
    use std::error::Error;
    use std::io::{Read, Write};

    use rex_core::action::fs;
    use rex_core::{Action, Extent, Reach, ReachPlace};
    use rex_sdk::host::confine::{ConfinementMode, WorkerBounds, confine};
    use rex_sdk::host::worker::Worker;

    pub(crate) fn main() -> Result<(), Box<dyn Error>> {
        let only = Extent::Within(BTreeSet::from([ReachPlace::Below("/proc/sys/kernel".to_owned())]));
        let reach = Reach::new(vec![(fs::Read::SPEC, only)]);
        let (mut worker, mut stream) = Worker::start(|mut stream| {
            let mut said = match confine(&reach, &WorkerBounds::default(), ConfinementMode::Require) {
                Ok(confinement) => {
                    confinement.parts.iter().map(|(part, state)| format!("{part:?}: {state:?}\n")).collect()
                }
                Err(unconfined) => format!("{unconfined}\n"),
            };
            for path in ["/proc/sys/kernel/ostype", "/etc/hostname"] {
                said += &format!("{path}: {:?}\n", std::fs::read_to_string(path).map_err(|error| error.kind()));
            }
            drop(stream.write_all(said.as_bytes()));
        })?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        print!("{said}");
        println!("the worker has ended: {:?}", worker.wait()?);
        let held = said.contains("ostype: Ok(\"Linux\\n\")") && said.contains("hostname: Err(PermissionDenied)");
        if held { Ok(()) } else { Err("it was not held to its reach".into()) }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), &'static str> {
    Err("this needs Linux")
}
