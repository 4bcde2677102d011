//! A limit on the memory of a run, by counting its allocations.
//!
//! Rhai's own budgets do not bound memory, and its size limits make growing a container quadratic. So a run's thread
//! counts what it allocates. The engine ends a run that is over its limit between two steps of the script; a single step
//! that allocates far beyond it is stopped inside the allocator, see `Meter::new`. Rex's own code, which may hold locks,
//! is never stopped there: it asks the run's budget instead.
#![expect(
    unsafe_code,
    reason = "`GlobalAlloc` is an unsafe trait; every method here only counts and hands on to `System`"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The system's allocator, which also counts the allocations of each run. A program that runs scripts installs it:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: rex_engine::CountingAllocator = rex_engine::CountingAllocator;
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct CountingAllocator;

// SAFETY: every method passes its arguments to `System`, which upholds the contract; counting allocates nothing,
// and does not unwind: it uses a thread-local without destructor and atomic integers.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: see above.
        given(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: see above.
        given(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: see above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size >= layout.size() {
            grow(size - layout.size());
        } else {
            shrink(layout.size() - size);
        }
        // SAFETY: see above.
        given(unsafe { System.realloc(pointer, layout, size) })
    }
}

/// The function to call when the system has no more memory for this process.
static OUT_OF_MEMORY: OnceLock<fn()> = OnceLock::new();

/// Sets the function to call when the system has no more memory for this process, instead of the abort that follows otherwise: a
/// process that does a single run can thus exit with a status that says so. The function must not allocate. Only the first one counts.
pub fn when_out_of_memory(end: fn()) {
    // Another one was set before.
    let _ = OUT_OF_MEMORY.set(end);
}

/// Returns the system's allocation, after a call of [`OUT_OF_MEMORY`] if it failed.
fn given(memory: *mut u8) -> *mut u8 {
    if memory.is_null()
        && let Some(end) = OUT_OF_MEMORY.get()
    {
        end();
    }
    memory
}

thread_local! {
    static METER: Cell<Option<&'static Meter>> = const { Cell::new(None) };
    static SHIELDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` without stopping the thread in it: it may hold locks, and checks its own limits.
pub(crate) fn shielded<T>(work: impl FnOnce() -> T) -> T {
    struct CountingRestore(bool);
    impl Drop for CountingRestore {
        fn drop(&mut self) {
            SHIELDED.set(self.0);
        }
    }
    let _restore = CountingRestore(SHIELDED.replace(true));
    work()
}

fn grow(bytes: usize) {
    if let Ok(Some(meter)) = METER.try_with(Cell::get) {
        meter.grow(bytes);
    }
}

fn shrink(bytes: usize) {
    if let Ok(Some(meter)) = METER.try_with(Cell::get) {
        meter.live.store(meter.live.load(Relaxed) - signed(bytes), Relaxed);
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX >> 1)
}

/// Returns whether [`CountingAllocator`] is this program's allocator.
pub(crate) fn is_counted() -> bool {
    let meter = Meter::new(i64::MAX);
    let counted = meter.count(|| {
        std::hint::black_box(Box::new(0_u8));
        meter.peak() > 0
    });
    meter.retire();
    counted
}

/// A counter of the bytes that one run has allocated since it began.
///
/// One thread writes, others may read, so relaxed atomics suffice.
#[derive(Debug)]
pub(crate) struct Meter {
    live: AtomicI64,
    peak: AtomicI64,
    bound: AtomicI64,
    stopped: AtomicBool,
}

static RETIRED: Mutex<Vec<&'static Meter>> = Mutex::new(Vec::new());

impl Meter {
    /// Returns a meter. An allocation that would take the run beyond `bound` never returns: its thread is parked for good,
    /// and the thread that waits for it finds [`Meter::is_stopped`]. (An allocator can neither unwind nor fail here: failing
    /// ends the process.)
    ///
    /// Meters outlive their runs, since a parked thread keeps using its own, so they are leaked, and reused.
    pub(crate) fn new(bound: i64) -> &'static Self {
        let retired = RETIRED.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let meter = retired.unwrap_or_else(|| {
            Box::leak(Box::new(Self {
                live: AtomicI64::new(0),
                peak: AtomicI64::new(0),
                bound: AtomicI64::new(0),
                stopped: AtomicBool::new(false),
            }))
        });
        meter.live.store(0, Relaxed);
        meter.peak.store(0, Relaxed);
        meter.bound.store(bound, Relaxed);
        meter
    }

    /// Gives the meter back for reuse; its run has ended.
    pub(crate) fn retire(&'static self) {
        RETIRED.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }

    /// Counts the allocations of this thread while `run` lasts.
    pub(crate) fn count<T>(&'static self, run: impl FnOnce() -> T) -> T {
        struct MeterRestore(Option<&'static Meter>);
        impl Drop for MeterRestore {
            fn drop(&mut self) {
                METER.set(self.0);
            }
        }
        let _restore = MeterRestore(METER.replace(Some(self)));
        run()
    }

    fn grow(&self, bytes: usize) {
        let live = self.live.load(Relaxed).saturating_add(signed(bytes));
        if live > self.bound.load(Relaxed) && !SHIELDED.get() {
            METER.set(None);
            self.stopped.store(true, Relaxed);
            loop {
                std::thread::park();
            }
        }
        self.live.store(live, Relaxed);
        if live > self.peak.load(Relaxed) {
            self.peak.store(live, Relaxed);
        }
    }

    /// Returns the counter of the bytes that are allocated now.
    pub(crate) fn live(&'static self) -> &'static AtomicI64 {
        &self.live
    }

    /// Returns the most bytes that were allocated at one time.
    pub(crate) fn peak(&self) -> i64 {
        self.peak.load(Relaxed)
    }

    /// Returns whether the thread was parked.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }
}
