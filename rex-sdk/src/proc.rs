//! Parsers for the text formats of the kernel. Each function names the manual page that is its source; data that does
//! not match the page is left out, or is `None`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rex_core::Value;

/// Size of a sector in bytes, on every device; `proc_diskstats(5)`.
const SECTOR: u64 = 512;
/// Ticks per second, the unit of times; `proc_stat(5)`.
const TICKS: u64 = 100;

/// Returns the number in `Name:   123 kB`, in bytes; `proc_meminfo(5)`.
pub(crate) fn kibibytes<'t>(text: &'t str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line: &'t str| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.saturating_mul(1024))
}

/// Returns the first `N` numbers of a line.
pub(crate) fn numbers<const N: usize>(line: &str) -> Option<[f64; N]> {
    let mut numbers = line.split_ascii_whitespace().map_while(|word| word.parse::<f64>().ok());
    let mut all = [0.0; N];
    for place in &mut all {
        *place = numbers.next()?;
    }
    Some(all)
}

/// Returns the counts of `name 123`; `proc_vmstat(5)`.
pub(crate) fn counts(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// Returns the rows of a table whose first line has the names, as `proc_swaps(5)`, `proc_sysvipc_shm(5)`.
pub(crate) fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().skip(1).map(|line| line.split_ascii_whitespace().collect())
}

/// Times of one processor, or of all of them together, in seconds; `proc_stat(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct CpuTimes {
    /// Seconds for each of [`CpuTimes::NAMES`].
    pub(crate) seconds: [f64; 8],
}

impl CpuTimes {
    pub(crate) const NAMES: [&'static str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

    /// Returns the difference from an earlier state.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let mut seconds = self.seconds;
        for (place, before) in seconds.iter_mut().zip(before.seconds) {
            *place = (*place - before).max(0.0);
        }
        Self { seconds }
    }

    /// Returns the share of time in which it worked, in percent.
    pub(crate) fn busy_percent(&self) -> f64 {
        let [user, nice, system, idle, iowait, irq, softirq, steal] = self.seconds;
        let busy = user + nice + system + irq + softirq + steal;
        let all = busy + idle + iowait;
        // Divides first, since a quotient is never above 1: seven ticks times a hundred by seven ticks can exceed a
        // hundred.
        if all > 0.0 { busy / all * 100.0 } else { 0.0 }
    }
}

/// Returns the processors: `cpu` for all of them, `cpu0`, ...
#[expect(clippy::cast_precision_loss, reason = "ticks of a machine that has not run for millions of years")]
pub(crate) fn cpus(stat: &str) -> BTreeMap<String, CpuTimes> {
    let cpu = |line: &str| {
        let (name, rest) = line.split_once(' ')?;
        let ticks = numbers::<8>(rest)?;
        name.starts_with("cpu")
            .then(|| (name.to_owned(), CpuTimes { seconds: ticks.map(|ticks| ticks / TICKS as f64) }))
    };
    stat.lines().filter_map(cpu).collect()
}

/// Returns the first number of a line of `proc_stat(5)`: `ctxt`, `btime`, `processes`.
pub(crate) fn stat(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Returns the time lost waiting: `some` and `full`; `proc_pressure(5)`.
pub(crate) fn pressure(text: &str) -> Value {
    let line = |line: &str| {
        let (kind, rest) = line.split_once(' ')?;
        let mut entries = BTreeMap::new();
        for word in rest.split_ascii_whitespace() {
            let (name, number) = word.split_once('=')?;
            let number: f64 = number.parse().ok()?;
            match name {
                "total" => entries.insert("total_seconds".to_owned(), Value::Float(number / 1e6)),
                name => entries.insert(name.to_owned(), Value::Float(number)),
            };
        }
        Some((kind.to_owned(), Value::Map(entries)))
    };
    Value::Map(text.lines().filter_map(line).collect())
}

/// Counters of reads from and writes to a disk; `proc_diskstats(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DiskCounters {
    pub(crate) reads: u64,
    pub(crate) read_bytes: u64,
    pub(crate) read_ms: u64,
    pub(crate) writes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) write_ms: u64,
    pub(crate) in_flight: u64,
    pub(crate) busy_ms: u64,
}

impl DiskCounters {
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            reads: self.reads.saturating_sub(before.reads),
            read_bytes: self.read_bytes.saturating_sub(before.read_bytes),
            read_ms: self.read_ms.saturating_sub(before.read_ms),
            writes: self.writes.saturating_sub(before.writes),
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
            write_ms: self.write_ms.saturating_sub(before.write_ms),
            in_flight: self.in_flight,
            busy_ms: self.busy_ms.saturating_sub(before.busy_ms),
        }
    }
}

pub(crate) fn disks(text: &str) -> BTreeMap<String, DiskCounters> {
    let disk = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let count = |place: usize| fields.get(place)?.parse::<u64>().ok();
        let disk = DiskCounters {
            reads: count(3)?,
            read_bytes: count(5)?.saturating_mul(SECTOR),
            read_ms: count(6)?,
            writes: count(7)?,
            written_bytes: count(9)?.saturating_mul(SECTOR),
            write_ms: count(10)?,
            in_flight: count(11)?,
            busy_ms: count(12)?,
        };
        Some(((*fields.get(2)?).to_owned(), disk))
    };
    text.lines().filter_map(disk).collect()
}

/// Parses lines of `NAME=value` with optional quotes; `os-release(5)`.
pub(crate) fn assignments(text: &str) -> BTreeMap<String, Value> {
    let pair = |line: &str| {
        let (name, value) = line.trim().split_once('=').filter(|(name, _)| !name.starts_with('#'))?;
        let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        let value = quoted.map_or_else(|| value.to_owned(), |inner| inner.replace("\\\"", "\"").replace("\\\\", "\\"));
        Some((name.to_ascii_lowercase(), value.into()))
    };
    text.lines().filter_map(pair).collect()
}

/// Parses one mount; `proc_pid_mountinfo(5)`.
pub(crate) fn mount(line: &str) -> Option<Value> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let right: Vec<&str> = right.split(' ').collect();
    let list = |text: &str| Value::List(text.split(',').map(Value::from).collect());
    Some(Value::map([
        ("target", unescape(left.get(4)?).into()),
        ("source", unescape(right.get(1)?).into()),
        ("kind", (*right.first()?).into()),
        ("root", unescape(left.get(3)?).into()),
        ("options", list(left.get(5)?)),
        ("super_options", list(right.get(2)?)),
    ]))
}

/// Decodes blanks, tabs, newlines, hashes and backslashes, which are written as `\040` and the like.
pub(crate) fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\043", "#"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

/// Parses a record of the kernel log into its priority, microseconds since boot, and text; the kernel's `dev-kmsg`.
pub(crate) fn log_record(record: &str) -> Option<(u8, u64, String)> {
    let (head, text) = record.split_once(';')?;
    let mut head = head.split(',');
    let priority: u32 = head.next()?.parse().ok()?;
    let micros = head.nth(1)?.parse().ok()?;
    // The facility is above the lower three bits; the lines after the first one are properties of the record.
    Some((u8::try_from(priority & 7).ok()?, micros, text.lines().next().unwrap_or_default().to_owned()))
}

/// The size of a record of `utmp(5)`, in bytes, and the first bytes of a session record.
const SESSION: usize = 384;
const USER_PROCESS: [u8; 2] = [7, 0];

/// Parses the session records of `utmp(5)`, as the C library lays them out on 64-bit machines: user, terminal, host and
/// time.
pub(crate) fn sessions(bytes: &[u8]) -> Vec<(String, String, String, i64)> {
    let session = |record: &[u8]| {
        let text = |from: usize, length: usize| {
            let bytes = record.get(from..from + length)?.split(|byte| *byte == 0).next()?;
            Some(String::from_utf8_lossy(bytes).into_owned())
        };
        let seconds = i32::from_le_bytes(record.get(340..344)?.try_into().ok()?);
        let current = record.starts_with(&USER_PROCESS);
        current.then_some((text(44, 32)?, text(8, 32)?, text(76, 256)?, i64::from(seconds)))
    };
    bytes.chunks_exact(SESSION).filter_map(session).collect()
}

/// Returns the records of `utmp(5)` without sessions whose process has ended.
#[cfg(any(all(feature = "host", target_os = "linux"), test))]
pub(crate) fn current_sessions(bytes: &[u8], runs: impl Fn(i32) -> bool) -> Vec<u8> {
    let current = |record: &&[u8]| {
        let pid = record.get(4..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_le_bytes);
        !record.starts_with(&USER_PROCESS) || pid <= 0 || runs(pid)
    };
    bytes.chunks_exact(SESSION).filter(current).flatten().copied().collect()
}

/// An Internet socket; `proc_pid_net(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SocketRow {
    pub(crate) local: (IpAddr, u16),
    pub(crate) remote: (IpAddr, u16),
    pub(crate) state: u8,
    pub(crate) sending: u64,
    pub(crate) receiving: u64,
    pub(crate) uid: u32,
    pub(crate) inode: u64,
}

/// Parses the sockets of `tcp`, `udp6`, ...
pub(crate) fn sockets(text: &str) -> Vec<SocketRow> {
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (sending, receiving) = fields.get(4)?.split_once(':')?;
        Some(SocketRow {
            local: endpoint(fields.get(1)?)?,
            remote: endpoint(fields.get(2)?)?,
            state: u8::from_str_radix(fields.get(3)?, 16).ok()?,
            sending: u64::from_str_radix(sending, 16).ok()?,
            receiving: u64::from_str_radix(receiving, 16).ok()?,
            uid: fields.get(7)?.parse().ok()?,
            inode: fields.get(9)?.parse().ok()?,
        })
    };
    text.lines().skip(1).filter_map(socket).collect()
}

/// Parses an address and a port in hexadecimal; the address consists of words in the byte order of this machine.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    Some((words(address)?, u16::from_str_radix(port, 16).ok()?))
}

fn words(text: &str) -> Option<IpAddr> {
    let word = |place: usize| {
        let digits = text.get(place * 8..(place + 1) * 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => word(0).map(IpAddr::from),
        32 => {
            let bytes = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
        }
        _ => None,
    }
}

/// A Unix socket; `proc_pid_net(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnixSocket {
    pub(crate) listening: bool,
    pub(crate) kind: &'static str,
    pub(crate) connected: bool,
    pub(crate) inode: u64,
    pub(crate) path: String,
}

pub(crate) fn unix_sockets(text: &str) -> Vec<UnixSocket> {
    let socket = |line: &str| {
        // The inode number is padded with blanks; a path is unescaped and may contain blanks.
        let mut rest = line;
        let mut field = || {
            let (field, after) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
            rest = after;
            field
        };
        let [_, _, _, flags, kind, state, inode] = std::array::from_fn(|_| field());
        let path = rest;
        Some(UnixSocket {
            listening: u32::from_str_radix(flags, 16).ok()? & 0x1_0000 != 0,
            kind: match kind {
                "0001" => "stream",
                "0002" => "datagram",
                "0005" => "seqpacket",
                _ => "unknown",
            },
            connected: state == "03",
            inode: inode.parse().ok()?,
            path: path.to_owned(),
        })
    };
    text.lines().skip(1).filter_map(socket).collect()
}

/// A route: destination network, gateway and interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteRow {
    pub(crate) destination: IpAddr,
    pub(crate) bits: u32,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) interface: String,
    pub(crate) metric: u64,
}

/// Flags of `linux/route.h`. Routes in use have `RTF_UP` and not `RTF_REJECT`.
const USED: u64 = 1;
const REJECTED: u64 = 0x200;

/// Parses the routes of `route`; `proc_pid_net(5)`.
pub(crate) fn routes(text: &str) -> Vec<RouteRow> {
    let route = |fields: Vec<&str>| {
        let address = |place: usize| fields.get(place).filter(|text| text.len() == 8).and_then(|text| words(text));
        let IpAddr::V4(mask) = address(7)? else { return None };
        let flags = u64::from_str_radix(fields.get(3)?, 16).ok()?;
        (flags & USED != 0 && flags & REJECTED == 0).then_some(())?;
        Some(RouteRow {
            destination: address(1)?,
            bits: mask.to_bits().count_ones(),
            gateway: address(2).filter(|gateway| !gateway.is_unspecified()),
            interface: (*fields.first()?).to_owned(),
            metric: fields.get(6)?.parse().ok()?,
        })
    };
    rows(text).filter_map(route).collect()
}

/// Parses the routes of `ipv6_route`, where addresses are in network byte order.
pub(crate) fn routes6(text: &str) -> Vec<RouteRow> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let address = |place: usize| {
            let digits = fields.get(place).filter(|digits| digits.len() == 32)?;
            u128::from_str_radix(digits, 16).ok().map(|bits| IpAddr::from(bits.to_be_bytes()))
        };
        let flags = u64::from_str_radix(fields.get(8)?, 16).ok()?;
        (flags & USED != 0 && flags & REJECTED == 0).then_some(())?;
        Some(RouteRow {
            destination: address(0)?,
            bits: u32::from_str_radix(fields.get(1)?, 16).ok()?,
            gateway: address(4).filter(|gateway| !gateway.is_unspecified()),
            interface: (*fields.get(9)?).to_owned(),
            metric: u64::from_str_radix(fields.get(5)?, 16).ok()?,
        })
    };
    text.lines().filter_map(route).collect()
}

/// Parses the counters of interfaces by name: bytes, packets, errors and drops, in both directions; `proc_pid_net(5)`.
#[cfg(any(all(feature = "host", target_os = "linux"), feature = "testing", test))]
pub(crate) fn devices(text: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    const NAMES: [(&str, usize); 8] = [
        ("received_bytes", 0),
        ("received_packets", 1),
        ("receive_errors", 2),
        ("receive_dropped", 3),
        ("sent_bytes", 8),
        ("sent_packets", 9),
        ("send_errors", 10),
        ("send_dropped", 11),
    ];
    let device = |line: &str| {
        let (name, rest) = line.rsplit_once(':')?;
        let numbers: Vec<u64> = rest.split_ascii_whitespace().map_while(|word| word.parse().ok()).collect();
        let entry = |(name, place): (&str, usize)| Some((name.to_owned(), *numbers.get(place)?));
        let entries = NAMES.into_iter().map(entry).collect::<Option<_>>()?;
        Some((name.trim().to_owned(), entries))
    };
    text.lines().skip(2).filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_words() {
        assert_eq!(kibibytes("MemTotal:       2 kB\nMemFree: 1 kB", "MemFree"), Some(1024));
        assert_eq!(numbers::<2>("0.5 1 x"), Some([0.5, 1.0]));
        let stat_text = "cpu  100 0 100 200 0 0 0 0 0 0\ncpu0 1 2 3 4 5 6 7 8\nctxt 9\nbtime 10\n";
        let all = cpus(stat_text)["cpu"];
        assert!((all.busy_percent() - 50.0).abs() < 1e-9 && all.since(&all) == CpuTimes::default());
        for ticks in 1..200 {
            let busy = cpus(&format!("cpu0 {ticks} 0 0 0 0 0 0 0"))["cpu0"].busy_percent();
            assert!((99.999..=100.0).contains(&busy), "{busy} for {ticks} ticks");
        }
        assert_eq!((stat(stat_text, "btime"), stat(stat_text, "cp")), (Some(10), None));
        assert_eq!(
            pressure("some avg10=1.50 total=2000000\n").to_string(),
            r#"{"some":{"avg10":1.5,"total_seconds":2.0}}"#
        );
        let disk = disks("   8       0 sda 1 2 3 4 5 6 7 8 9 10 11")["sda"];
        assert_eq!((disk.read_bytes, disk.write_ms, disk.busy_ms), (1536, 8, 10));
        assert_eq!(assignments("# x=1\nNAME=\"a \\\"b\\\"\"\nID=c\n").len(), 2);
        let line = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(mount(line).unwrap().get("target"), Some(&"/mnt 2".into()));
        assert_eq!(log_record("30,5,77,-;hello\n K=V\n"), Some((6, 77, "hello".to_owned())));
    }

    #[test]
    fn who_is_logged_in() {
        let mut record = vec![0; 384];
        record[0] = 7;
        record[8..13].copy_from_slice(b"pts/0");
        record[44..49].copy_from_slice(b"alice");
        record[340..344].copy_from_slice(&5_i32.to_le_bytes());
        let found = ("alice".to_owned(), "pts/0".to_owned(), String::new(), 5);
        assert_eq!(sessions(&[record.clone(), vec![0; 384], vec![1; 10]].concat()), std::slice::from_ref(&found));
        record[4..8].copy_from_slice(&42_i32.to_le_bytes());
        let current = |ended: i32| sessions(&current_sessions(&record, |pid| pid != ended));
        assert_eq!((current(42), current(43)), (Vec::new(), vec![found]));
    }
}
