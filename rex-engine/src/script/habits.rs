//! Functions that scripts call in other languages, and their counterparts here.

/// Names of functions and methods, each with advice.
const HABITS: &[(&str, &str)] = &[
    ("add", "`list.push(value)` adds one value, `list.append(other)` all of another list"),
    ("any", "`list.some(|x| ..)` asks whether it holds for one"),
    ("append", "`list.push(value)` adds one value, `list.append(other)` all of another list"),
    ("avg", "`rows::mean(list)`, or of maps `rows::mean(list, \"key\")`"),
    ("ceil", "`x.ceiling()`"),
    ("collect", "`filter` and `map` return lists; the lines of a file become one by `to_array()`"),
    ("concat", "`a + b` joins two lists or texts"),
    ("count", "`list.len()`, or `list.filter(|x| ..).len()`; of each value, `table::count_by(list)`"),
    ("cp", "`fs::copy(path, path)`"),
    ("decode", "`json::parse(text)`, `yaml::parse(text)`, `base64::decode(text)` read a text"),
    ("dump", "`json::encode(value)` writes JSON, `yaml::format(value)` YAML"),
    ("dumps", "`json::encode(value)` writes JSON, `yaml::format(value)` YAML"),
    ("endsWith", "`text.ends_with(part)`"),
    ("entries", "`map.keys()` and `map.values()`: `for key in map.keys() { let value = map[key]; .. }`"),
    ("enumerate", "`for (value, index) in list { .. }`"),
    ("Error", "an error is a text or a map that is thrown: `throw \"text\"`"),
    ("every", "`list.all(|x| ..)` asks whether it holds for all"),
    ("exec", "`process::run(path, list)` starts a program, without a shell"),
    ("exit", "`return` ends a script or a function, `throw \"text\"` fails it"),
    ("extend", "`list.append(other)`"),
    ("extract", "of a list: `list.extract(start, length)`; of a text: `text.sub_string(start, length)`"),
    ("first", "`list[0]`; `list.get(0)` is `()` where there is none"),
    ("flat_map", "`let all = []; for x in list { all += ..; }`"),
    ("flatten", "`let all = []; for x in list { all += ..; }`"),
    ("float", "`parse_float(text)`; of an int, `x.to_float()`"),
    ("forEach", "`for x in list { .. }`, or `list.for_each(|x| ..)`"),
    (
        "format",
        "`` `text with ${values}` ``; numbers with units by `human::bytes(n)`, times by `time::format(epoch, \"%Y-%m-%d\")`",
    ),
    ("has", "`\"key\" in map`, `value in list`"),
    ("has_key", "`\"key\" in map`"),
    ("head", "`list.extract(0, n)`; of a file, `fs::lines(path, #{max: n})`"),
    ("includes", "`x.contains(value)`, or `value in x`"),
    ("indexOf", "`x.index_of(value)`, -1 where there is none"),
    ("int", "`parse_int(text)`; of a float, `x.to_int()`"),
    ("isEmpty", "`x.is_empty()`"),
    ("items", "`map.keys()` and `map.values()`: `for key in map.keys() { let value = map[key]; .. }`"),
    ("iter", "a list is iterated as it is: `for x in list { .. }`"),
    ("last", "`list[-1]`; `list.get(-1)` is `()` where there is none"),
    ("left", "`text.sub_string(0, length)`"),
    ("length", "`x.len()`"),
    ("ljust", "`let x = text; x.pad(length, ' ');`"),
    ("load", "`json::parse(text)` reads JSON, `yaml::parse(text)` YAML"),
    ("loads", "`json::parse(text)` reads JSON, `yaml::parse(text)` YAML"),
    ("lower", "`text.to_lower()`"),
    ("lstrip", "`text.trim()` takes blanks from both ends"),
    ("max", "`rows::max(list)`, or of maps `rows::max(list, \"key\")`; `max(a, b)` is the larger of two"),
    ("mean", "`rows::mean(list)`, or of maps `rows::mean(list, \"key\")`"),
    ("merge", "`map + other` is a new map, `map.mixin(other)` changes it"),
    ("min", "`rows::min(list)`, or of maps `rows::min(list, \"key\")`; `min(a, b)` is the smaller of two"),
    ("mkdir", "`fs::create_dir(path)`, with its parents `fs::create_dir(path, #{parents: true})`"),
    ("move", "`fs::rename(path, path)`"),
    ("mv", "`fs::rename(path, path)`"),
    ("now", "`sys::time().epoch` is the time in seconds"),
    ("open", "`fs::read(path)` is the text of a file, `fs::write(path, text)` replaces it"),
    ("padEnd", "`let x = text; x.pad(length, ' ');`"),
    ("parseFloat", "`parse_float(text)`"),
    ("parseInt", "`parse_int(text)`"),
    ("popen", "`process::run(path, list)` starts a program, without a shell"),
    ("ports", "`net::sockets(#{listening: true}).sockets` lists the ports that are open"),
    ("pow", "`x ** n`"),
    ("print", "it takes one value: `` print(`${a} ${b}`) ``"),
    ("printf", "`` print(`text with ${values}`) ``"),
    ("println", "`print(value)`"),
    ("push_str", "`text += part`"),
    ("range", "`0..3` counts from 0 to 2, `range(0, 10, 2)` in steps"),
    ("read_lines", "`fs::lines(path)`"),
    ("readlines", "`fs::lines(path)`"),
    ("repeat", "`let x = \"\"; x.pad(length, text);`"),
    ("rm", "`fs::remove(path)`, a directory with all in it `fs::remove_all(path)`"),
    ("round", "`x.round()` is whole; with decimals, `(x * 100.0).round() / 100.0`"),
    ("rstrip", "`text.trim()` takes blanks from both ends"),
    ("run", "`process::run(path, list)` starts a program, without a shell"),
    ("sh", "`process::run(path, list)` starts a program, without a shell"),
    ("size", "`x.len()`; of a file, `fs::stat(path).size`"),
    ("skip", "`list.extract(n)` is the list without its first n"),
    ("slice", "`list.extract(start, length)`, `text.sub_string(start, length)`"),
    ("sorted", "`list.order()`, `rows::sort_by(list, \"key\")`"),
    ("splitlines", "`text.lines()`"),
    ("startsWith", "`text.starts_with(part)`"),
    ("state", "`service::status(x).active` is the state of a unit"),
    ("str", "`x.to_string()`, or `` `${x}` ``"),
    ("string", "`x.to_string()`, or `` `${x}` ``"),
    ("stringify", "`json::encode(value)`"),
    ("strip", "`text.trim()`"),
    ("substr", "`text.sub_string(start, length)`"),
    ("sum", "`rows::sum(list)`, or of maps `rows::sum(list, \"key\")`"),
    ("system", "`process::run(path, list)` starts a program, without a shell"),
    ("take", "`list.extract(0, n)` is the first n of a list; of a file, `fs::lines(path, #{max: n})`"),
    ("to_float", "`parse_float(text)` makes a number of a text"),
    ("to_int", "`parse_int(text)` makes a number of a text"),
    ("toFixed", "`(x * 100.0).round() / 100.0`"),
    ("toLowerCase", "`text.to_lower()`"),
    ("toString", "`x.to_string()`"),
    ("toUpperCase", "`text.to_upper()`"),
    ("unique", "`rows::unique_by(list, \"key\")` of maps; of values, `table::count_by(list).keys()`"),
    ("unwrap", "errors are caught with `try { .. } catch (e) { .. }`; `x ?? default` stands for nothing"),
    ("unwrap_or", "`x ?? default`"),
    ("update", "`map.mixin(other)`"),
    ("upper", "`text.to_upper()`"),
    ("uptime", "`sys::boot_time()` tells when the machine was started"),
];

/// Returns the advice for a name from another language.
pub(crate) fn advice(name: &str) -> Option<&'static str> {
    let name = name.rsplit("::").next().unwrap_or(name);
    HABITS.iter().find(|(habit, _)| *habit == name).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use rex_core::Limits;
    use rex_sdk::OPS;

    use super::*;

    /// Compiles each part of the advice in backticks that calls something by name.
    #[test]
    fn what_is_advised_is_there() {
        let engine = crate::builder::script_engine(OPS, &Limits::default()).unwrap();
        let prelude = "let x = (); let a = (); let b = (); let n = (); let list = (); let text = (); let map = (); let other = (); let value = ();
            let values = (); let part = (); let start = (); let length = (); let path = (); let epoch = (); let key = (); let all = ();";
        for (name, advice) in HABITS {
            let code = advice.replace("``", "¦");
            let mut code: Vec<_> = code.split('¦').skip(1).step_by(2).map(str::to_owned).collect();
            if code.is_empty() {
                code = advice.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            }
            for call in code.iter().filter(|call| call.contains('(') || call.contains(' ')) {
                let call = call
                    .replace("|x| ..", "|x| x")
                    .replace("{ .. }", "{ }")
                    .replace("= ..", "= x")
                    .replace("..; }", "}")
                    .replace("x ?? default", "x ?? 1")
                    .replace(" .. }", " }");
                let call = call.replace(" in x", " in list");
                assert!(
                    engine.compile(format!("{prelude} {call}")).is_ok(),
                    "{name}: {call}: {:?}",
                    engine.compile(&call)
                );
            }
        }
    }

    #[test]
    fn they_are_in_order() {
        assert!(
            HABITS.is_sorted_by_key(|(name, _)| name.to_lowercase()),
            "keep the table in the order of the alphabet"
        );
    }
}
