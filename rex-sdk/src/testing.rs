//! Functions for the fuzzer and the property tests.

use rex_core::Timestamp;
use rex_core::resource::Unit;

use crate::{pid, proc};

/// Parses `data` as each of the kernel's text formats.
///
/// # Panics
/// If a parser fails, or returns something that the text cannot mean.
pub fn kernel_texts(data: &[u8]) {
    let text = &*String::from_utf8_lossy(data);
    machine(text);
    network(text);
    process(text);
    let parts = pid::parts(data);
    let joined = parts.iter().fold(String::new(), |all, part| all + part + "\0");
    assert_eq!(pid::parts(joined.as_bytes()), parts, "parts that are put together again are others");
    drop(proc::sessions(data));
}

fn machine(text: &str) {
    drop((proc::kibibytes(text, "a"), proc::numbers::<3>(text), proc::counts(text), proc::stat(text, "ctxt")));
    drop((proc::pressure(text), proc::assignments(text), proc::mount(text), proc::log_record(text)));
    assert!(proc::rows(text).count() <= text.lines().count());
    let cpus = proc::cpus(text);
    for (cpu, other) in cpus.values().zip(cpus.values().skip(1)) {
        let busy = cpu.since(other).busy_percent();
        assert!(busy.is_nan() || (0.0..=100.0).contains(&busy), "{busy} percent of {text:?}");
    }
    let disks = proc::disks(text);
    for (disk, other) in disks.values().zip(disks.values().skip(1)) {
        assert!(disk.since(other).read_bytes <= disk.read_bytes);
    }
}

fn network(text: &str) {
    drop((proc::sockets(text), proc::unix_sockets(text), proc::devices(text)));
    for route in proc::routes(text).into_iter().chain(proc::routes6(text)) {
        let most = if route.destination.is_ipv4() { 32 } else { 128 };
        assert!(route.bits <= most, "a network of {} bits", route.bits);
    }
}

fn process(text: &str) {
    drop((pid::limits(text), pid::io(text), pid::user_and_group(text)));
    drop(pid::namespaces([("net".to_owned(), text.to_owned())].into_iter()));
    let unit = pid::unit(text);
    assert!(unit.is_none_or(|unit| unit.is_empty() || Unit::parse(&unit).is_ok()), "a unit that is none in {text:?}");
    let machine = pid::MachineClock { ticks: 100, page: 4096, boot: Timestamp::from_micros(0) };
    assert!(pid::mapped(text).iter().all(|path| path.starts_with('/')));
    if let Some(stat) = pid::ProcessStat::parse(text) {
        let status = machine.process(1, stat, pid::ProcessContext::default());
        assert!(text.contains(&status.process.identity().name) && status.cpu >= 0.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_breaks_a_parser(
            text in "(\\PC|[ :;,=.()\\[\\]\\\\\"\n\\x00]|cpu|total|kB|[0-9A-F]{1,33}){0,80}",
        ) {
            super::kernel_texts(text.as_bytes());
        }
    }
}
