//! A program that runs foreign code where a script runs, or a program that a script starts: confined to the reach of a policy.
//!
//! For each attack, `inside worker POLICY LIBRARY ATTACK...` loads a library in a worker, confines it, and calls the library: this is
//! what a compromised worker can do. `inside program POLICY PROGRAM ARGUMENT... -- ATTACK...` starts a program for each attack. Each
//! line of output has the name of an attack and the errno that it met, 0 if it worked, or `KILLED`.
//!
//! `inside forking POLICY PROGRAM ARGUMENT...` starts one program that may create processes, and ends as it does.

#[cfg(target_os = "linux")]
use linux::main;

#[cfg(target_os = "linux")]
mod linux {
    #![expect(
        unsafe_code,
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::print_stderr,
        clippy::print_stdout,
        reason = "this calls what no Rust program should"
    )]

    use std::error::Error;
    use std::ffi::{CString, OsStr, OsString};
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::process::{ExitCode, ExitStatus, Stdio};
    use std::time::Duration;

    use rex_core::Reach;
    use rex_policy::{Policy, PolicyLimits, SourceText, Vocabulary};
    use rex_sdk::host::confine::{ConfinementMode, ProgramStart, WorkerBounds, confine};
    use rex_sdk::host::worker::{Worker, WorkerEnding};

    /// Returns the factor of all time limits, for an emulated processor.
    fn slowness() -> u32 {
        std::env::var("REX_TEST_SLOWNESS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
    }

    fn bounds(seconds: u32) -> WorkerBounds {
        let cpu = Duration::from_secs(seconds.into());
        WorkerBounds { address_space: 512 << 20, file_bytes: 1 << 20, descriptors: 64, cpu }
    }

    fn reach(policy: &str) -> Result<Reach, Box<dyn Error>> {
        let source = SourceText::new(policy, std::fs::read_to_string(policy)?);
        let policy = Policy::compile(&Vocabulary::rex(), &[source], None, &PolicyLimits::default())
            .map_err(|rejected| format!("{rejected:?}"))?;
        Ok(policy.reach(None))
    }

    fn workers(policy: &str, library: &str, attacks: &[String]) -> Result<u8, Box<dyn Error>> {
        let (reach, library) = (reach(policy)?, CString::new(library)?);
        for attack in attacks {
            let name = CString::new(&**attack)?;
            let (mut worker, _stream) = Worker::start(|_| match worker(&reach, &library, &name) {
                Ok(met) => std::process::exit(met),
                Err(_) => std::process::exit(254),
            })?;
            match worker.wait()? {
                WorkerEnding::Exited(met) => println!("{attack} {met}"),
                WorkerEnding::Killed(_) => println!("{attack} KILLED"),
            }
        }
        Ok(0)
    }

    fn worker(reach: &Reach, library: &CString, attack: &CString) -> Result<i32, Box<dyn Error>> {
        // SAFETY: the test has built the library, and its `attack` takes a text and returns an int.
        let call = unsafe {
            let library = libc::dlopen(library.as_ptr(), libc::RTLD_NOW);
            if library.is_null() {
                return Err("the library cannot be loaded".into());
            }
            let symbol = libc::dlsym(library, c"attack".as_ptr());
            if symbol.is_null() {
                return Err("the library has no `attack`".into());
            }
            std::mem::transmute::<*mut libc::c_void, extern "C" fn(*const libc::c_char) -> libc::c_int>(symbol)
        };
        confine(reach, &bounds(2 * slowness()), ConfinementMode::Require)?;
        Ok(call(attack.as_ptr()))
    }

    fn programs(policy: &str, path: &str, arguments: &[String]) -> Result<u8, Box<dyn Error>> {
        let reach = reach(policy)?;
        let split = arguments.iter().position(|argument| argument == "--").ok_or("there is no `--`")?;
        let (arguments, attacks) = arguments.split_at(split);
        for attack in attacks.iter().skip(1) {
            match program(&reach, path, &[arguments, std::slice::from_ref(attack)].concat(), false)? {
                status if status.signal().is_some() => println!("{attack} KILLED"),
                status => println!("{attack} {}", status.code().unwrap_or(255)),
            }
        }
        Ok(0)
    }

    fn program(
        reach: &Reach,
        program: &str,
        arguments: &[String],
        processes: bool,
    ) -> Result<ExitStatus, Box<dyn Error>> {
        // A descriptor that a careless parent leaves open for its children.
        let leak = std::fs::File::open("/dev/null")?;
        // SAFETY: the descriptor is open, and only its flag is changed.
        unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&leak), libc::F_SETFD, 0) };
        let file = std::fs::File::open(program)?.into();
        let arguments: Vec<&OsStr> =
            std::iter::once(OsStr::new(program)).chain(arguments.iter().map(OsStr::new)).collect();
        let world: OsString = std::env::var_os("W").ok_or("W is not set")?;
        let program = ProgramStart {
            file: &file,
            arguments: &arguments,
            environment: &[(OsStr::new("W"), &world)],
            directory: Path::new("/"),
            stdin: Stdio::null(),
            stdout: Stdio::inherit(),
            stderr: Stdio::inherit(),
            user: None,
            processes,
        };
        // An emulated processor takes many seconds for what Python loads, more where other programs take its time.
        let mut running = program.start(reach, &bounds(2 * slowness() * slowness()))?;
        Ok(running.wait(Duration::from_secs(60) * slowness())?.ok_or("it did not end in time")?)
    }

    pub(crate) fn main() -> ExitCode {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["worker", policy, library, ..] => workers(policy, library, arguments.get(3..).unwrap_or_default()),
            ["program", policy, path, ..] => programs(policy, path, arguments.get(3..).unwrap_or_default()),
            ["forking", policy, path, ..] => reach(policy)
                .and_then(|reach| program(&reach, path, arguments.get(3..).unwrap_or_default(), true))
                .map(|status| status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255)),
            _ => {
                Err("this takes `worker POLICY LIBRARY ATTACK...` or `program POLICY PROGRAM ARGUMENT... -- ATTACK...`"
                    .into())
            }
        };
        match result {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(254)
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), &'static str> {
    Err("this needs Linux")
}
