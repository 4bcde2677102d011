//! The checks of the fuzz targets. The targets themselves are one line each.

pub mod files;
pub mod plans;
pub mod pure;
pub mod urls;

use std::sync::{Arc, LazyLock};

use arbitrary::{Result, Unstructured};
use rex_core::{AbsPath, Authorize, Code, Decision, Limits, MemoryJournal, Principal, Request, Run, Subject, Value};
use rex_engine::{CountingAllocator, Engine, Input};
use rex_policy::{Policy, PolicyLimits, SourceText, Vocabulary};
use rex_sdk::{MemOs, OPS, Operation, ParamKind, Session};

/// The allocator, which counts the allocations of scripts, so that their memory is limited as in the `rex` command.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Checks that a path has one spelling, with nothing left in it that another spelling could hide behind.
pub fn paths(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (base, text) = text.split_once('\n').unwrap_or(("/", text));
    let Ok(base) = AbsPath::parse(base) else { return };
    let Ok(path) = base.resolve(text) else { return };
    assert_eq!(AbsPath::parse(path.as_str()).as_ref(), Ok(&path), "parsing it again changes it");
    assert_eq!(base.resolve(path.as_str()).as_ref(), Ok(&path), "the base changes an absolute path");
    assert!(path.components().all(|part| !matches!(part, "" | "." | "..") && !part.contains(['/', '\0'])));
    assert!(path.is_root() || !path.as_str().ends_with('/'));
    assert_eq!(path.components().count(), path.parents().count());
    if let Some(parent) = path.parent() {
        assert_eq!(parent.join(path.name()).as_ref(), Ok(&path), "parent and name do not make it up");
        assert!(path.is_in(&parent) && !parent.is_in(&path));
    }
}

/// Checks that any text is compiled or refused.
pub fn policy_compile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A NUL ends the policy and starts the entities.
    let (policy, entities) = text.split_once('\0').map_or((text, None), |(policy, rest)| (policy, Some(rest)));
    let entities = entities.map(|text| SourceText::new("entities.json", text));
    let limits = PolicyLimits::default();
    if let Err(rejected) =
        Policy::compile(&Vocabulary::rex(), &[SourceText::new("a.cedar", policy)], entities.as_ref(), &limits)
    {
        assert!(!rejected.findings.is_empty(), "refused without a word");
    }
}

/// Checks that any script ends within its limits, and not by a defect of Rex.
pub fn script(data: &[u8]) {
    static ENGINE: LazyLock<Option<Engine>> = LazyLock::new(|| {
        let limits = Limits { script_steps: 200_000, wall_ms: 5_000, memory_bytes: 32 << 20, ..Limits::default() };
        Engine::builder(Arc::new(MemOs::example())).limits(limits).build().ok()
    });
    let (Ok(text), Some(engine)) = (std::str::from_utf8(data), ENGINE.as_ref()) else { return };
    let report = engine.run(text, Input::new(Principal::agent("fuzz"), Arc::new(Constant(true))));
    assert_ne!(report.code(), Some(Code::Internal), "{report:?}");
}

/// Calls some operations with any arguments, first permitted, then denied.
pub fn ops(data: &[u8]) {
    for permitted in [true, false] {
        // It fails only if the input is too short; the calls until then are enough.
        let _ = calls(&mut Unstructured::new(data), permitted);
    }
}

pub(crate) struct Constant(pub(crate) bool);

impl Authorize for Constant {
    fn decide(&self, _: &Request<'_>) -> Decision {
        if self.0 { Decision::allow(&["all"]) } else { Decision::deny(None) }
    }
}

fn calls(input: &mut Unstructured<'_>, permitted: bool) -> Result<()> {
    let limits = Limits { file_bytes: 1 << 16, entries: 64, wall_ms: 10_000, ..Limits::default() };
    let subject = Subject::new(Principal::agent("fuzz"));
    let journal = Arc::new(MemoryJournal::new(0));
    let run = Run::new("fuzz", subject, Arc::new(Constant(permitted)), journal, limits);
    let (os, base) = (MemOs::example(), AbsPath::root());
    let session = Session::new(&run, &os, &base);
    for _ in 0..8 {
        let operation = *input.choose(OPS)?;
        let args = args(input, operation)?;
        let shown = format!("{} {args:?}", operation.spec().name);
        let result = session.invoke(operation, args, None);
        let code = result.as_ref().err().map(|error| error.code);
        assert_ne!(code, Some(Code::Internal), "{shown}: {result:?}");
        if !permitted && !operation.spec().needs.is_empty() {
            assert!(
                matches!(code, Some(Code::AccessDenied | Code::Validation | Code::LimitExceeded)),
                "{shown}: {result:?}"
            );
            assert_eq!(os.calls(), 0, "{shown}: a denied call reached the system");
        }
    }
    Ok(())
}

/// Returns arguments that are mostly of the declared kinds, so that they get past the first check.
fn args(input: &mut Unstructured<'_>, operation: &dyn Operation) -> Result<Vec<Value>> {
    let spec = operation.spec();
    if input.ratio(1, 8)? {
        return (0..input.int_in_range(0..=4)?).map(|_| value(input, 2)).collect();
    }
    let mut args = spec.required().map(|param| of(input, param.kind)).collect::<Result<Vec<_>>>()?;
    let mut options = std::collections::BTreeMap::new();
    for param in spec.options() {
        if input.ratio(1, 3)? {
            // Nothing changes meanwhile, so there is nothing to wait for.
            let value = if param.name == "timeout" { Value::Int(0) } else { of(input, param.kind)? };
            options.insert(param.name.to_owned(), value);
        }
    }
    if !options.is_empty() {
        args.push(Value::Map(options));
    }
    Ok(args)
}

fn of(input: &mut Unstructured<'_>, kind: ParamKind) -> Result<Value> {
    const PATHS: &[&str] = &[
        "/",
        "/srv",
        "/srv/app",
        "/srv/app/version.txt",
        "/srv/app/logs",
        "/srv/app/logs/app.log",
        "/srv/app/current.log",
        "/srv/app/icon.bin",
        "/srv/app/empty",
        "/etc/hosts",
        "/tmp/new",
        "/srv/app/version.txt/x",
        "srv/app/../new",
    ];
    const UNITS: &[&str] = &["nginx", "nginx.service", "backup.timer", "missing", "-", "a b"];
    if input.ratio(1, 16)? {
        return value(input, 2);
    }
    Ok(match kind {
        ParamKind::Path if input.ratio(3, 4)? => (*input.choose(PATHS)?).into(),
        ParamKind::Unit if input.ratio(3, 4)? => (*input.choose(UNITS)?).into(),
        ParamKind::Path | ParamKind::Unit | ParamKind::Text => input.arbitrary::<&str>()?.into(),
        ParamKind::Data if input.arbitrary()? => Value::Bytes(input.arbitrary()?),
        ParamKind::Data => input.arbitrary::<&str>()?.into(),
        ParamKind::Int | ParamKind::Count if input.arbitrary()? => Value::Int(input.int_in_range(0..=9)?),
        ParamKind::Int | ParamKind::Count => Value::Int(input.arbitrary()?),
        ParamKind::Duration => (*input.choose(&["0s", "1ms", "2w", "1h30m", "5", "5M"])?).into(),
        ParamKind::Moment => (*input.choose(&["-1h", "1h ago", "2026-11-23T12:42:29Z", "1h"])?).into(),
        ParamKind::Size => (*input.choose(&["0B", "1K", "1MB", "1.5GiB", "5", "5m"])?).into(),
        ParamKind::Bool => Value::Bool(input.arbitrary()?),
        ParamKind::Texts => Value::List(input.arbitrary::<Vec<&str>>()?.into_iter().map(Value::from).collect()),
        ParamKind::TextMap => {
            let entries = input.arbitrary::<Vec<(String, &str)>>()?;
            Value::Map(entries.into_iter().map(|(key, text)| (key, text.into())).collect())
        }
    })
}

fn value(input: &mut Unstructured<'_>, depth: u32) -> Result<Value> {
    Ok(match input.int_in_range(0..=if depth == 0 { 5 } else { 7 })? {
        0 => Value::Null,
        1 => Value::Bool(input.arbitrary()?),
        2 => Value::Int(input.arbitrary()?),
        3 => Value::Float(input.arbitrary()?),
        4 => input.arbitrary::<&str>()?.into(),
        5 => Value::Bytes(input.arbitrary()?),
        6 => Value::List((0..input.int_in_range(0..=3)?).map(|_| value(input, depth - 1)).collect::<Result<_>>()?),
        _ => Value::Map(
            (0..input.int_in_range(0..=3)?)
                .map(|_| Ok((input.arbitrary::<&str>()?.to_owned(), value(input, depth - 1)?)))
                .collect::<Result<_>>()?,
        ),
    })
}
