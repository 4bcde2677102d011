//! Programs for seccomp, as short as possible: the kernel compiles them for each run, which is most of the cost of
//! confining a worker.
//!
//! The format is that of the classic Berkeley packet filter over `struct seccomp_data`; see seccomp(2) and the kernel's
//! `Documentation/userspace-api/seccomp_filter.rst`. The instructions are laid out by hand: `seccompiler` needs one
//! program for each action, and about five instructions for an unconditionally allowed call. Here it is one program and
//! one instruction.

use libc::c_long;
use seccompiler::sock_filter;

/// Offsets in `struct seccomp_data`: the number of the call, the machine, and the low half of the first argument.
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// `AUDIT_ARCH_*` of the machine that this is built for, which has its own numbers of calls.
#[cfg(target_arch = "x86_64")]
const THIS_MACHINE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const THIS_MACHINE: u32 = 0xC000_00B7;
#[cfg(target_arch = "riscv64")]
const THIS_MACHINE: u32 = 0xC000_00F3;

/// The result of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilterAction {
    /// It is made.
    Allow,
    /// It fails with this error.
    Refuse(i32),
    /// The process ends.
    Kill,
}

impl FilterAction {
    fn code(self) -> u32 {
        match self {
            Self::Allow => 0x7FFF_0000,
            Self::Refuse(error) => 0x0005_0000 | (error.unsigned_abs() & 0xFFFF),
            Self::Kill => 0x8000_0000,
        }
    }
}

/// A condition on an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArgumentTest {
    /// These bits of the low half of the argument have this value.
    Masked(u8, u32, u32),
    /// The low half of the argument is not this.
    Not(u8, u32),
    /// All of the argument is 0.
    Zero(u8),
}

/// A program under construction. The first match decides.
pub(super) struct FilterProgram {
    instructions: Vec<sock_filter>,
}

impl FilterProgram {
    /// Creates a filter that kills a process that uses the call numbers of another machine.
    pub(super) fn new() -> Self {
        let mut filter = Self { instructions: Vec::with_capacity(256) };
        filter.push(LOAD, 0, 0, MACHINE);
        filter.push(IF_EQUAL, 1, 0, THIS_MACHINE);
        filter.push(RETURN, 0, 0, FilterAction::Kill.code());
        filter.push(LOAD, 0, 0, NUMBER);
        filter
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) {
        self.instructions.push(sock_filter { code, jt, jf, k });
    }

    /// Handles calls with numbers above this one.
    pub(super) fn above(&mut self, call: c_long, action: FilterAction) {
        self.push(IF_GREATER, 0, 1, number(call));
        self.push(RETURN, 0, 0, action.code());
    }

    /// Handles these calls, whatever their arguments.
    pub(super) fn among(&mut self, calls: &[c_long], action: FilterAction) {
        // Conditional jumps reach at most 255 instructions.
        for calls in calls.chunks(200) {
            for (left, call) in (1..=u8::MAX).rev().skip(usize::from(u8::MAX) - calls.len()).zip(calls) {
                self.push(IF_EQUAL, left, 0, number(*call));
            }
            self.push(JUMP, 0, 0, 1);
            self.push(RETURN, 0, 0, action.code());
        }
    }

    /// Allows this call if all tests of one of the lists hold; `otherwise` applies if not.
    pub(super) fn when(&mut self, call: c_long, lists: &[&[ArgumentTest]], otherwise: FilterAction) {
        let mut body = Self { instructions: Vec::new() };
        for tests in lists {
            // A test that fails jumps behind the `RETURN` of its list.
            let lengths: usize = tests.iter().map(|test| test.length()).sum();
            let mut left = lengths;
            for test in *tests {
                left -= test.length();
                test.write(&mut body, u8::try_from(left + 1).unwrap_or(u8::MAX));
            }
            body.push(RETURN, 0, 0, FilterAction::Allow.code());
        }
        body.push(RETURN, 0, 0, otherwise.code());
        self.push(IF_EQUAL, 0, u8::try_from(body.instructions.len()).unwrap_or(u8::MAX), number(call));
        self.instructions.append(&mut body.instructions);
    }

    /// Allows this call if the low half of this argument is one of the values; `otherwise` applies if not.
    pub(super) fn only(&mut self, call: c_long, argument: u8, values: &[u32], otherwise: FilterAction) {
        // INVARIANT: the table has some tens of values, so that jumps reach across it.
        let (length, over) = (u8::try_from(values.len()).unwrap_or(u8::MAX), 3);
        self.push(IF_EQUAL, 0, length.saturating_add(over), number(call));
        self.push(LOAD, 0, 0, ARGUMENTS + 8 * u32::from(argument));
        for (left, value) in (1..=length).rev().zip(values) {
            self.push(IF_EQUAL, left, 0, *value);
        }
        self.push(RETURN, 0, 0, otherwise.code());
        self.push(RETURN, 0, 0, FilterAction::Allow.code());
    }

    /// Handles all other calls, and returns the program.
    pub(super) fn finish(mut self, action: FilterAction) -> Vec<sock_filter> {
        self.push(RETURN, 0, 0, action.code());
        self.instructions
    }
}

impl ArgumentTest {
    fn length(self) -> usize {
        match self {
            Self::Not(..) => 2,
            Self::Masked(..) => 3,
            Self::Zero(_) => 4,
        }
    }

    /// Writes the test. If it fails, it jumps over `fail` instructions behind it.
    fn write(self, to: &mut FilterProgram, fail: u8) {
        match self {
            Self::Masked(argument, mask, value) => {
                to.push(LOAD, 0, 0, ARGUMENTS + 8 * u32::from(argument));
                to.push(AND, 0, 0, mask);
                to.push(IF_EQUAL, 0, fail, value);
            }
            Self::Not(argument, value) => {
                to.push(LOAD, 0, 0, ARGUMENTS + 8 * u32::from(argument));
                to.push(IF_EQUAL, fail, 0, value);
            }
            Self::Zero(argument) => {
                to.push(LOAD, 0, 0, ARGUMENTS + 8 * u32::from(argument));
                to.push(IF_EQUAL, 0, fail + 2, 0);
                to.push(LOAD, 0, 0, ARGUMENTS + 8 * u32::from(argument) + 4);
                to.push(IF_EQUAL, 0, fail, 0);
            }
        }
    }
}

fn number(call: c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs a program as the kernel does.
    fn run(program: &[sock_filter], machine: u32, call: u32, arguments: [u64; 6]) -> u32 {
        let word = |offset: u32| match offset {
            NUMBER => call,
            MACHINE => machine,
            other => {
                let (argument, half) = ((other - ARGUMENTS) / 8, (other - ARGUMENTS) % 8);
                (arguments[argument as usize] >> (8 * half)) as u32
            }
        };
        let (mut at, mut a) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at].clone();
            at += 1;
            match code {
                LOAD => a = word(k),
                AND => a &= k,
                JUMP => at += k as usize,
                IF_EQUAL => at += usize::from(if a == k { jt } else { jf }),
                IF_GREATER => at += usize::from(if a > k { jt } else { jf }),
                RETURN => return k,
                other => panic!("{other}"),
            }
        }
    }

    fn test() -> impl Strategy<Value = ArgumentTest> {
        let masked = (0..6_u8, 0..4_u32, 0..4_u32)
            .prop_map(|(argument, mask, value)| ArgumentTest::Masked(argument, mask, value));
        let not = (0..6_u8, 0..4_u32).prop_map(|(argument, value)| ArgumentTest::Not(argument, value));
        prop_oneof![masked, not, (0..6_u8).prop_map(ArgumentTest::Zero)]
    }

    fn holds(test: &ArgumentTest, arguments: [u64; 6]) -> bool {
        match *test {
            ArgumentTest::Masked(argument, mask, value) => (arguments[usize::from(argument)] as u32) & mask == value,
            ArgumentTest::Not(argument, value) => arguments[usize::from(argument)] as u32 != value,
            ArgumentTest::Zero(argument) => arguments[usize::from(argument)] == 0,
        }
    }

    proptest! {
        #[test]
        fn a_program_does_what_it_says(
            allowed in prop::collection::btree_set(0..500_i64, 0..450),
            killed in prop::collection::btree_set(0..500_i64, 0..20),
            lists in prop::collection::vec(prop::collection::vec(test(), 1..4), 0..4),
            (tested, call) in (0..20_u32, 0..600_u32),
            (chosen, argument, values) in (0..20_u32, 0..6_u8, prop::collection::vec(0..4_u32, 0..70)),
            arguments in prop::array::uniform6(prop_oneof![0..4_u64, Just(1 << 32), Just(1 << 34 | 2)]),
        ) {
            let mut filter = FilterProgram::new();
            let lists: Vec<&[ArgumentTest]> = lists.iter().map(Vec::as_slice).collect();
            filter.when(tested.into(), &lists, FilterAction::Refuse(1));
            filter.only(chosen.into(), argument, &values, FilterAction::Refuse(4));
            filter.among(&killed.iter().copied().collect::<Vec<_>>(), FilterAction::Kill);
            filter.above(550, FilterAction::Refuse(3));
            filter.among(&allowed.iter().copied().collect::<Vec<_>>(), FilterAction::Allow);
            let program = filter.finish(FilterAction::Refuse(2));
            let expected = if call == tested {
                let held = lists.iter().any(|tests| tests.iter().all(|test| holds(test, arguments)));
                if held { FilterAction::Allow } else { FilterAction::Refuse(1) }
            } else if call == chosen {
                let held = values.contains(&(arguments[usize::from(argument)] as u32));
                if held { FilterAction::Allow } else { FilterAction::Refuse(4) }
            } else if killed.contains(&call.into()) {
                FilterAction::Kill
            } else if call > 550 {
                FilterAction::Refuse(3)
            } else if allowed.contains(&call.into()) {
                FilterAction::Allow
            } else {
                FilterAction::Refuse(2)
            };
            prop_assert_eq!(run(&program, THIS_MACHINE, call, arguments), expected.code());
            prop_assert_eq!(run(&program, THIS_MACHINE ^ 1, call, arguments), FilterAction::Kill.code());
        }
    }
}
