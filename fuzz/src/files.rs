//! Untrusted files: archives, compressed files, programs.

use std::sync::Arc;

use rex_core::journal::Event;
use rex_core::{AbsPath, Code, Error, Limits, MemoryJournal, Principal, Run, Subject, Value};
use rex_sdk::{MemOs, Session};

use crate::Constant;

/// Maximum number of bytes that one call may write.
const WRITTEN: u64 = 1 << 20;

/// A world with one untrusted file, and a run in it that may do everything.
struct World {
    os: MemOs,
    run: Run,
    journal: Arc<MemoryJournal>,
}

impl World {
    fn new(file: &[u8]) -> Self {
        let limits = Limits {
            file_bytes: 1 << 20,
            read_bytes: 16 << 20,
            written_bytes: WRITTEN,
            entries: 256,
            wall_ms: 10_000,
            ..Limits::default()
        };
        let journal = Arc::new(MemoryJournal::new(10_000));
        let run =
            Run::new("fuzz", Subject::new(Principal::agent("fuzz")), Arc::new(Constant(true)), journal.clone(), limits);
        let os =
            MemOs::new().file("/in", file).file("/out/old", "old").link("/out/etc", "/etc").file("/etc/passwd", "root");
        Self { os, run, journal }
    }

    fn call(&self, name: &str, args: Vec<Value>) -> Result<Value, Error> {
        let result = Session::new(&self.run, &self.os, &AbsPath::root()).call(name, args);
        let code = result.as_ref().err().map(|error| error.code);
        assert_ne!(code, Some(Code::Internal), "{name}: {result:?}");
        result
    }

    /// Checks that everything changed, or requested to be changed, is below a directory.
    fn changed_only_below(&self, dir: &str) {
        let dir = AbsPath::parse(dir).unwrap_or_else(|_| AbsPath::root());
        for record in self.journal.take().0 {
            let Event::Decision { action, resource, .. } = record.event else { continue };
            let path = AbsPath::parse(&resource);
            let below = path.is_ok_and(|path| path == dir || path.is_in(&dir));
            assert!(below || action.name == "read", "{} {resource:?}", action.name);
        }
        assert_eq!(self.os.contents("/etc/passwd").as_deref(), Some(&b"root"[..]));
    }
}

/// Checks that an archive is listed and extracted, or refused, and changes nothing outside of the destination. The first byte has options.
pub fn archives(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    let mut archive = data.to_vec();
    if how & 1 != 0 {
        for block in archive.chunks_exact_mut(512) {
            check_header(block);
        }
    }
    let world = World::new(&archive);
    let listed = world.call("fs::tar_list", vec!["/in".into()]);
    let options = Value::map([
        ("strip", Value::Int(i64::from(how >> 1 & 3))),
        ("overwrite", (how & 8 != 0).into()),
        ("skip_links", (how & 16 != 0).into()),
    ]);
    let extracted = world.call("fs::tar_extract", vec!["/in".into(), "/out".into(), options]);
    assert!(listed.is_ok() || extracted.is_err(), "what cannot be listed is extracted: {extracted:?}");
    assert!(world.run.budget().bytes_written() <= WRITTEN);
    world.changed_only_below("/out");
}

/// Corrects the checksum of a block that looks like a header: the fuzzer need not find one.
fn check_header(block: &mut [u8]) {
    let (Some(b"ustar"), true) = (block.get(257..262), block.len() == 512) else { return };
    if let Some(sum) = block.get_mut(148..156) {
        sum.fill(b' ');
    }
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    if let Some(place) = block.get_mut(148..156) {
        place.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

/// Checks that a compressed file is expanded within its limits, completely or not at all, and reads the same.
pub fn compressed(data: &[u8]) {
    let world = World::new(data);
    let expanded = world.call("fs::expand", vec!["/in".into(), "/out/old".into()]);
    let contents = world.os.contents("/out/old").unwrap_or_default();
    match expanded {
        Ok(bytes) => {
            assert_eq!(bytes, Value::count(contents.len() as u64));
            assert!(contents.len() as u64 <= WRITTEN);
            match world.call("fs::count", vec!["/in".into()]) {
                Ok(told) => assert_eq!(told.get("bytes"), Some(&bytes)),
                // A file that is marked as UTF-32 is expanded unchanged, and not read.
                Err(error) => assert_eq!(error.code, Code::Unsupported, "{error}"),
            }
        }
        Err(_) => assert_eq!(contents, b"old"),
    }
    world.changed_only_below("/out");
    // A round trip.
    for operation in ["fs::gzip", "fs::zstd"] {
        let world = World::new(data);
        if world.call(operation, vec!["/in".into(), "/out/packed".into()]).is_ok()
            && let Err(error) = world.call("fs::expand", vec!["/out/packed".into(), "/out/old".into()])
        {
            assert_eq!(error.code, Code::LimitExceeded, "{operation}: {error}");
        } else if let Some(contents) = world.os.contents("/out/packed").and_then(|_| world.os.contents("/out/old")) {
            assert!(contents == data, "{operation}");
        }
    }
}

/// Checks that an ELF file is described or refused.
pub fn elf(data: &[u8]) {
    let world = World::new(data);
    match world.call("fs::elf", vec!["/in".into()]) {
        Ok(told) => assert!(told.get("machine").is_some()),
        Err(error) => assert!(matches!(error.code, Code::Unsupported | Code::Io | Code::LimitExceeded), "{error}"),
    }
    let strings = world.call("fs::strings", vec!["/in".into(), Value::map([("max", Value::Int(256))])]);
    match strings {
        Ok(found) => assert!(found.get("truncated").is_some()),
        // The file is read in the format that it claims: a damaged compressed file is an error, a bomb too, and UTF-32.
        Err(error) => assert!(matches!(error.code, Code::Io | Code::LimitExceeded | Code::Unsupported), "{error}"),
    }
    world.changed_only_below("/in");
}
