//! The parsers that scripts call.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use rex_core::{Code, Limits, Principal};
use rex_engine::{Engine, Input};
use rex_sdk::MemOs;

use crate::Constant;

/// Round trips of each format: what is parsed, and can be written, is the same when parsed again. `read` returns `()` for a text that is
/// refused; any other error is a defect.
const ROUND_TRIPS: &[&str] = &[
    "let v = read(|| yaml::parse(args.text));
     let w = yaml::format(v);
     if yaml::format(yaml::parse(w)) != w { throw w }",
    "let v = read(|| yaml::parse_all(args.text));
     let w = yaml::format(v);
     if yaml::format(yaml::parse(w)) != w { throw w }",
    "let v = read(|| json::parse(args.text));
     let w = json::encode(v);
     if json::encode(json::parse(w)) != w || json::encode(json::parse(json::pretty(v))) != w { throw w }
     if json::encode(yaml::parse(yaml::format(v))) != w { throw yaml::format(v) }",
    "let v = read(|| toml::parse(args.text));
     let w = yaml::format(v);
     if yaml::format(yaml::parse(w)) != w { throw w }",
    "let v = read(|| csv::parse(args.text));
     if v != () && v.len() > 0 {
         let columns = v[0].keys();
         let w = csv::encode(v, columns);
         if csv::parse(w) != v { throw w }
         read(|| rows::sort_by(v, columns[0]));
         read(|| rows::group_by(v, columns[0]));
     }",
    "let v = read(|| url::parse(args.text));
     if v != () {
         if url::parse(v.url) != v { throw v.url }
         if url::parse(`http://x/?${url::query(v.params)}`).params != v.params { throw url::query(v.params) }
         read(|| url::join(v.url, args.text));
     }",
    "if url::decode(url::encode(args.text)) != args.text { throw url::encode(args.text) }
     if base64::decode_text(base64::encode(args.text)) != args.text { throw base64::encode(args.text) }
     read(|| url::decode(args.text));
     read(|| base64::decode(args.text));",
    "for separator in [(), `,`, `|`] {
         let v = read(|| if separator == () { table::parse(args.text) } else { table::parse(args.text, separator) });
         if v != () { read(|| table::format(v)); }
     }",
    "let v = read(|| time::parse(args.text));
     if v != () && time::parse(time::format(v)) != v { throw v }
     let lines = args.text.split(`\n`);
     if lines.len() > 1 { read(|| time::parse(lines[0], lines[1])); read(|| time::format(0, lines[0])); }
     read(|| time::add(0, args.text));
     let s = read(|| time::seconds(args.text));
     if s != () && time::seconds(time::human(s)) != s { throw s }",
    "read(|| human::parse_bytes(args.text));
     read(|| human::parse_duration(args.text));
     read(|| ip::describe(args.text));
     read(|| ip::contains(args.text, args.text));",
];

/// A function of the scripts that catches the errors that a refused text may have.
const READ: &str = r#"fn read(f) {
    try { f.call() } catch (e) {
        if e.code != "VALIDATION_EXCEPTION" && e.code != "LIMIT_EXCEEDED_EXCEPTION" { throw e }
    }
}
"#;

/// Checks that each format refuses invalid text, and reads back what it writes.
pub fn parsers(data: &[u8]) {
    static ENGINE: LazyLock<Option<Engine>> = LazyLock::new(|| {
        let limits = Limits { memory_bytes: 256 << 20, wall_ms: 10_000, ..Limits::default() };
        Engine::builder(Arc::new(MemOs::new())).limits(limits).build().ok()
    });
    let (Ok(text), Some(engine)) = (std::str::from_utf8(data), ENGINE.as_ref()) else { return };
    for script in ROUND_TRIPS {
        let mut input = Input::new(Principal::agent("fuzz"), Arc::new(Constant(false)));
        input.args = BTreeMap::from([("text".to_owned(), text.into())]);
        let report = engine.run(&format!("{READ}{script}"), input);
        if let Err(failure) = &report.outcome {
            // A limit of the run, which a script cannot catch; the length of the text was within its bounds.
            let is_bound = failure.error.code == Code::LimitExceeded && !failure.error.message.contains("wall");
            assert!(is_bound, "{script}\n{failure:?}");
        }
    }
}
