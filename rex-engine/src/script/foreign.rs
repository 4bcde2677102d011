//! Advice for parse errors: what a word or a sign of another language is in Rhai.

use rhai::Position;

use super::habits;
use super::names::{FunctionNames, quoted};

/// Words of other languages, each with what to write.
const WORDS: &[(&str, &str)] = &[
    ("None", "nothing is `()`: `let x = ();`, `x == ()`"),
    ("True", "it is written `true`"),
    ("False", "it is written `false`"),
    ("and", "it is written `a && b`"),
    ("argv", "the arguments of the script are fields of `args`: `args.name`"),
    ("async", "there is no `async`: every call waits for its result, so leave the word out"),
    ("auto", "`let x = 1;` makes a variable"),
    ("await", "there is no `await`: every call waits for its result, so leave the word out"),
    ("bool", "types are not written: `let x = true;`"),
    ("case", "`switch x { 1 => \"one\", 2 | 3 => \"more\", _ => \"other\" }`"),
    ("class", "there are no classes: a map has fields, `#{name: \"a\", size: 1}`"),
    ("def", "a function is `fn name(x) { x + 1 }`"),
    ("del", "`map.remove(\"key\");`, `list.remove(0);`; a file is removed by `fs::remove(path)`"),
    ("delete", "`map.remove(\"key\");`, `list.remove(0);`; a file is removed by `fs::remove(path)`"),
    ("done", "a loop is a block in braces: `for x in list { .. }`"),
    ("echo", "`print(\"text\");`, with values `` print(`text ${x}`) ``"),
    ("elif", "it is written `else if`"),
    ("elseif", "it is written `else if`"),
    ("elsif", "it is written `else if`"),
    ("end", "a block is in braces: `if x { .. }`"),
    ("enum", "there are no types: a text or a number names a case, and `switch` decides on it"),
    ("env", "the arguments of the script are fields of `args`: `args.name`"),
    ("esac", "`switch x { 1 => \"one\", _ => \"other\" }`"),
    ("eval", "a script cannot run a text as code"),
    ("except", "`try { .. } catch (e) { print(e.message); }`"),
    ("export", "the arguments of the script are fields of `args`: `args.name`; `let x = 1;` makes a variable"),
    ("f", "a text with values is in backticks: `` `text ${x}` ``"),
    ("fetch", "`net::get(url).body` is what a server answers"),
    ("fi", "a block is in braces: `if x { .. }`"),
    ("finally", "there is no `finally`: `try { .. } catch (e) { .. }`, and what always happens comes after it"),
    ("float", "types are not written: `let x = 1.5;`"),
    ("foreach", "`for x in list { .. }`"),
    ("from", "there is nothing to import: operations are called by their full names, such as `fs::read(path)`"),
    ("func", "a function is `fn name(x) { x + 1 }`"),
    ("function", "a function is `fn name(x) { x + 1 }`, one without a name `|x| x + 1`"),
    ("go", "a script runs one step after the other: leave the word out"),
    ("goto", "`break`, `continue` and `return` leave a loop or a function"),
    (
        "import",
        "there is nothing to import: operations are called by their full names, such as `fs::read(path)`; `rex ops` lists them",
    ),
    ("include", "there is nothing to import: operations are called by their full names, such as `fs::read(path)`"),
    ("instanceof", "`type_of(x)` is a text such as `\"i64\"`, `\"string\"`, `\"array\"`, `\"map\"`"),
    ("int", "types are not written: `let x = 1;`"),
    ("interface", "there are no types: a map has fields, `#{name: \"a\"}`"),
    ("is", "it is written `a == b`"),
    ("lambda", "a function without a name is `|x| x + 1`"),
    ("local", "`let x = 1;` makes a variable"),
    ("match", "`switch x { 1 => \"one\", 2 | 3 => \"more\", _ => \"other\" }`"),
    ("mod", "the rest of a division is `a % b`"),
    ("module", "a script is one file: functions are `fn name(x) { .. }`"),
    ("mut", "`let x = 1;` makes a variable that can be changed"),
    ("my", "`let x = 1;` makes a variable"),
    ("new", "there are no classes: `#{}` is a new map, `[]` a new list; an error is thrown with `throw \"text\"`"),
    ("nil", "nothing is `()`: `let x = ();`, `x == ()`"),
    ("not", "it is written `!x`; `!(key in map)`"),
    ("null", "nothing is `()`: `let x = ();`, `x == ()`"),
    ("or", "it is written `a || b`"),
    ("package", "a script is one file: functions are `fn name(x) { .. }`"),
    ("pass", "an empty block is `{}`"),
    ("print", "it takes its value in brackets: `print(\"text\");`"),
    ("printf", "`` print(`text ${x}`) ``"),
    ("private", "all functions of a script are its own: leave the word out"),
    ("pub", "all functions of a script are its own: leave the word out"),
    ("public", "all functions of a script are its own: leave the word out"),
    ("puts", "`print(\"text\");`"),
    ("raise", "an error is thrown with `throw \"text\"`"),
    ("require", "there is nothing to import: operations are called by their full names, such as `fs::read(path)`"),
    ("say", "`print(\"text\");`"),
    ("select", "`list.filter(|x| x.size > 1).map(|x| x.name)`"),
    ("self", "a value is handed over as a parameter: `fn name(x) { x }`"),
    ("spawn", "a script runs one step after the other; a program is started by `process::run(path, list)`"),
    ("static", "`let x = 1;` makes a variable"),
    ("str", "types are not written: `let x = \"text\";`"),
    ("string", "types are not written: `let x = \"text\";`"),
    ("struct", "there are no types: a map has fields, `#{name: \"a\", size: 1}`"),
    ("then", "a block is in braces: `if x { .. }`"),
    ("thread", "a script runs one step after the other"),
    ("typeof", "`type_of(x)` is a text such as `\"i64\"`, `\"string\"`, `\"array\"`, `\"map\"`"),
    ("undefined", "nothing is `()`: `let x = ();`, `x == ()`"),
    ("unless", "`if !x { .. }`"),
    ("until", "`while !x { .. }`"),
    ("use", "there is nothing to import: operations are called by their full names, such as `fs::read(path)`"),
    ("val", "`let x = 1;` makes a variable"),
    ("var", "`let x = 1;` makes a variable"),
    ("void", "a function is `fn name(x) { x + 1 }`: no types are written"),
    ("with", "there is nothing to close: `let text = fs::read(path);`"),
    ("yield", "a function returns all at once: make a list and `push` to it"),
];

/// Commands of a shell, each with the operation for it.
const COMMANDS: &[(&str, &str)] = &[
    ("awk", "`text.split()` splits a line into its words, `table::parse(text)` a table into maps"),
    ("cat", "`fs::read(path)` is the text of a file"),
    ("cd", "paths are written in full; `--base DIR` is the folder of relative ones"),
    ("chmod", "`fs::chmod(path, \"0644\")`"),
    ("chown", "`fs::chown(path, #{owner: \"www-data\"})`"),
    ("cp", "`fs::copy(path, path)`"),
    ("curl", "`net::get(url).body`, `net::post(url, body)`"),
    ("cut", "`text.split(\",\")[0]`"),
    ("date", "`time::format(epoch, \"%Y-%m-%d\")`, now by `sys::time().epoch`"),
    ("df", "`sys::disk()` lists the file systems with their use"),
    ("du", "`fs::du(dir)`"),
    ("exit", "`return` ends the script, `throw \"text\"` fails it"),
    ("find", "`fs::find(dir, #{name: \"*.log\"}).entries`"),
    ("free", "`sys::memory()`"),
    ("grep", "`fs::grep(path, pattern).matches`"),
    ("head", "`fs::lines(path, #{max: 10})`"),
    ("hostname", "`sys::hostname()`"),
    ("journalctl", "`service::logs(unit)`"),
    ("kill", "`process::signal(1234, \"TERM\")`"),
    ("ls", "`fs::list(dir)`"),
    ("mkdir", "`fs::create_dir(path)`"),
    ("mv", "`fs::rename(path, path)`"),
    ("netstat", "`net::sockets().sockets`"),
    ("ps", "`process::list()`"),
    ("rm", "`fs::remove(path)`, a directory with all in it `fs::remove_all(path)`"),
    ("sed", "`fs::replace(path, text, text)`; of a text, `text.replaced(part, other)`"),
    ("sort", "`list.order()`, `rows::sort_by(list, \"key\")`"),
    ("ss", "`net::sockets().sockets`"),
    ("sudo", "a script has the rights that the policy gives it: leave the word out"),
    ("tail", "`fs::tail(path, #{lines: 10})`"),
    ("tar", "`fs::tar_create(path, dir)`, `fs::tar_extract(path, dir)`"),
    ("top", "`process::top()`"),
    ("touch", "`fs::touch(path)`"),
    ("uname", "`sys::uname()`"),
    ("uptime", "`sys::boot_time()`"),
    ("wc", "`fs::count(path).lines`"),
    ("wget", "`net::get(url).body`"),
    ("who", "`sys::sessions()`"),
];

/// Objects and modules of other languages, each with what stands for the whole of it. `JSON.parse` is looked up by its parts, too.
const OBJECTS: &[(&str, &str)] = &[
    ("Array", "a list is `[1, 2]`"),
    ("Date", "`sys::time().epoch` is the time in seconds, `time::format(epoch, \"%Y-%m-%d\")` writes one"),
    ("Math", "`max(a, b)`, `min(a, b)`, `x.abs()`, `x.floor()`, `x.round()`, `x.sqrt()`"),
    ("Object", "`map.keys()`, `map.values()`"),
    ("Path", "paths are texts: `dir + \"/\" + name`; `fs::stat(path)` says what is there"),
    ("String", "a text is in double quotes; `x.to_string()` makes one of a number"),
    ("console", "`print(value);`"),
    ("datetime", "`sys::time().epoch` is the time in seconds, `time::format(epoch, \"%Y-%m-%d\")` writes one"),
    ("glob", "`fs::find(dir, #{name: \"*.log\"}).entries`"),
    ("log", "`print(value);`"),
    ("logging", "`print(value);`"),
    ("math", "`max(a, b)`, `min(a, b)`, `x.abs()`, `x.floor()`, `x.round()`, `x.sqrt()`"),
    (
        "os",
        "`fs::list(dir)`, `fs::stat(path)`, `fs::remove(path)`, `process::run(path, list)`; `rex ops fs` lists more",
    ),
    ("path", "paths are texts: `dir + \"/\" + name`; `fs::stat(path)` says what is there"),
    ("pathlib", "paths are texts: `dir + \"/\" + name`; `fs::stat(path)` says what is there"),
    ("re", "`regex::is_match(text, pattern)`, `regex::find_all(text, pattern)`; `rex ops regex` lists more"),
    ("requests", "`net::get(url).body`, `net::post(url, body)`; `rex ops net` lists more"),
    ("shutil", "`fs::copy(path, path)`, `fs::rename(path, path)`, `fs::remove_all(path)`"),
    ("std", "operations are called by their full names, such as `fs::read(path)`; `rex ops` lists them"),
    (
        "subprocess",
        "`process::run(path, list)` starts a program, without a shell: `process::run(\"/usr/bin/df\", [\"-h\"]).stdout`",
    ),
    ("systemctl", "`service::status(unit)`, `service::restart(unit)`; `rex ops service` lists more"),
];

/// Signs of other languages at the place of an error, each with what to write. The first that fits counts.
const SIGNS: &[(&str, &str)] = &[
    ("and ", "`&&` joins conditions: `a && b`"),
    ("or ", "`||` joins conditions: `a || b`"),
    ("++", "`x += 1`"),
    ("--", "`x -= 1`"),
    ("<>", "it is written `a != b`"),
    ("===", "it is written `a == b`"),
    ("!==", "it is written `a != b`"),
    ("...", "a range is `0..3`, with its end `0..=3`"),
    ("=>", "a function without a name is `|x| x + 1`"),
    ("->", "types are not written: `fn name(x) { x }`"),
    ("#", "a comment is `// text`; a map is `#{a: 1}`"),
    ("$", "variables have no `$`: `let x = 1;`; in a text in backticks, `${x}` is the value"),
    ("@", "there are no decorators or references by `@`"),
    ("&", "there are no references: leave the `&` out; `&&` joins conditions"),
    ("*", "there are no references: leave the `*` out"),
    (
        "?",
        "`if c { a } else { b }` is a value; `x ?? y` takes another one for `()`, and `x?.field` asks a value that may be `()`",
    ),
    ("case ", "`switch x { 1 => \"one\", 2 | 3 => \"more\", _ => \"other\" }`"),
    ("except", "`try { .. } catch (e) { print(e.message); }`"),
    ("finally", "there is no `finally`: `try { .. } catch (e) { .. }`, and what always happens comes after it"),
    ("do", "a block is in braces: `while x { .. }`"),
    ("then", "a block is in braces: `if x { .. }`"),
    ("of ", "`for x in list { .. }`"),
    ("if ", "a condition comes first: `let x = if c { a } else { b };`"),
    ("for ", "a list is made by `list.map(|x| ..)` and `list.filter(|x| ..)`"),
    ("let ", "`for i in 0..3 { .. }` counts from 0 to 2"),
    (":=", "`let x = 1;` makes a variable, `x = 2;` sets it"),
    ("<-", "`let x = 1;` makes a variable, `x = 2;` sets it"),
    ("fn", "a function without a name is `|x| x + 1`"),
    ("catch", "`try { .. } catch (e) { print(e.message); }`"),
    ("mod ", "the rest of a division is `a % b`"),
    ("as ", "there are no casts: `x.to_int()`, `x.to_float()`, `x.to_string()`"),
];

/// The shape of a parse error: a part of its message, the end of the text before its place, and the start of the text there. An empty text
/// fits any.
struct ErrorShape {
    message: &'static str,
    before: &'static str,
    rest: &'static str,
    advice: &'static str,
}

/// Shapes of errors; the first that fits counts.
const SHAPES: &[ErrorShape] = &[
    ErrorShape { message: "expecting 'in'", before: "", rest: ",", advice: "`for (x, index) in list { .. }`" },
    ErrorShape {
        message: "expecting 'in'",
        before: "",
        rest: "=",
        advice: "`for i in 0..3 { .. }` counts from 0 to 2",
    },
    ErrorShape { message: "", before: "[", rest: "...", advice: "lists are joined by `a + b`, maps too" },
    ErrorShape { message: "", before: "{", rest: "...", advice: "lists are joined by `a + b`, maps too" },
    ErrorShape { message: "", before: "(", rest: "...", advice: "lists are joined by `a + b`, maps too" },
    ErrorShape { message: "", before: ",", rest: "...", advice: "lists are joined by `a + b`, maps too" },
    ErrorShape {
        message: "terminate this statement",
        before: "",
        rest: ",",
        advice: "one `let` for each variable: `let x = 1; let y = 2;`",
    },
    ErrorShape {
        message: "not an object map",
        before: "",
        rest: "",
        advice: "`for key in m.keys() { let value = m[key]; .. }` goes over a map",
    },
    ErrorShape { message: "for a matching (", before: "", rest: "", advice: "a bracket is not closed" },
    ErrorShape { message: "unexpected '>'", before: "<", rest: "", advice: "it is written `a != b`" },
    ErrorShape { message: "unexpected ';'", before: "", rest: "", advice: "a value is missing before it" },
    ErrorShape {
        message: "switch case",
        before: "",
        rest: "",
        advice: "`switch x { 1 => \"one\", 2 | 3 => \"more\", _ => \"other\" }`",
    },
    ErrorShape {
        message: "expecting literal",
        before: "",
        rest: "case",
        advice: "`switch x { 1 => \"one\", 2 | 3 => \"more\", _ => \"other\" }`",
    },
    ErrorShape {
        message: "expecting literal",
        before: "{",
        rest: "",
        advice: "`switch x { 1 => \"one\", 2 | 3 => \"more\", _ => \"other\" }`",
    },
    ErrorShape { message: "name of a property", before: "", rest: ",", advice: "a comma is too many" },
    ErrorShape { message: "name of a property", before: "", rest: "\"", advice: "texts are joined by `+`: `a + b`" },
    ErrorShape {
        message: "body statement block",
        before: "",
        rest: "",
        advice: "a function is `fn name(x) { x + 1 }`",
    },
    ErrorShape {
        message: "parameters of function",
        before: "",
        rest: ":",
        advice: "types are not written: `fn name(x, y) { x }`",
    },
    ErrorShape {
        message: "parameters of function",
        before: "",
        rest: "=",
        advice: "a parameter has no default: hand over all of them",
    },
    ErrorShape {
        message: "parameters of function",
        before: "",
        rest: "",
        advice: "parameters are separated by commas: `fn name(x, y) { x }`",
    },
    ErrorShape {
        message: "name of a variable",
        before: "",
        rest: "{",
        advice: "one variable at a time: `let a = m.a; let b = m.b;`, `let a = list[0];`",
    },
    ErrorShape {
        message: "name of a variable",
        before: "",
        rest: "[",
        advice: "one variable at a time: `let a = m.a; let b = m.b;`, `let a = list[0];`",
    },
    ErrorShape {
        message: "name of a variable",
        before: "",
        rest: "(",
        advice: "one variable at a time: `let a = m.a; let b = m.b;`, `let a = list[0];`",
    },
    ErrorShape { message: "object map literal", before: "", rest: "=", advice: "a field is `name: value`: `#{a: 1}`" },
    ErrorShape {
        message: "array literal",
        before: "",
        rest: "",
        advice: "entries are separated by commas: `[1, 2]`, `#{a: 1, b: 2}`",
    },
    ErrorShape {
        message: "object map literal",
        before: "",
        rest: "",
        advice: "entries are separated by commas: `[1, 2]`, `#{a: 1, b: 2}`",
    },
    ErrorShape {
        message: "index expression",
        before: "",
        rest: "",
        advice: "parts of a list are `list.extract(start, length)`, those of a text `text.sub_string(start, length)`",
    },
    ErrorShape {
        message: "catch variable",
        before: "",
        rest: "",
        advice: "`catch (e)` takes one name: its `e.code` says which error it is",
    },
    ErrorShape {
        message: "arguments list of function call",
        before: "!",
        rest: "",
        advice: "there are no macros: `print(value)`; a list is `[1, 2]`",
    },
    ErrorShape {
        message: "statement block",
        before: "",
        rest: ":",
        advice: "a block is in braces: `if x { .. }`, `for x in list { .. }`",
    },
    ErrorShape {
        message: "terminate this statement",
        before: "",
        rest: ":",
        advice: "types are not written: `let x = 1;`",
    },
    ErrorShape {
        message: "terminate this statement",
        before: "let mut",
        rest: "",
        advice: "`let x = 1;` makes a variable that can be changed",
    },
];

/// Shapes of errors where neither a shape above nor a sign fits.
const OTHERS: &[ErrorShape] = &[
    ErrorShape {
        message: "terminate this statement",
        before: "",
        rest: "",
        advice: "a statement ends with `;`, and a block is in braces",
    },
    ErrorShape {
        message: "statement block",
        before: "",
        rest: "",
        advice: "a block is in braces: `if x { .. }`, `for x in list { .. }`",
    },
    ErrorShape { message: "name of a variable", before: "", rest: "", advice: "a variable has a name: `let x = 1;`" },
    ErrorShape {
        message: "unexpected",
        before: "",
        rest: "",
        advice: "something is missing before it, or it is too much",
    },
];

/// Returns advice for a parse error, by its message and the text at its place.
pub(crate) fn advice(message: &str, text: &str, position: Position, names: &FunctionNames) -> Option<String> {
    let line = text.lines().nth(position.line()?.checked_sub(1)?).unwrap_or_default();
    let at = position.position().map_or(0, |column| column.saturating_sub(1));
    let start = line.char_indices().nth(at).map_or(line.len(), |(start, _)| start);
    let (before, rest) = line.split_at(start);
    let word = message
        .strip_prefix("undefined variable: ")
        .or_else(|| message.strip_prefix("reserved keyword '").and_then(|rest| rest.split('\'').next()))
        .or_else(|| message.strip_prefix('\'').and_then(|rest| rest.strip_suffix("' is a reserved keyword")));
    if let Some(word) = word {
        return placed(word, before, rest)
            .map(str::to_owned)
            .or_else(|| self::word(word, (before, rest), text, position, names));
    }
    let fixed = if message.starts_with("invalid character") {
        "a text is in double quotes: `\"text\"`, or in backticks: `` `text ${x}` ``"
    } else if message.starts_with("invalid escape") {
        "a backslash is written twice, as in `\"\\\\d\"`, or not at all in a text in backticks or `#\"..\"#`: `` `\\d` ``, `#\"\\d\"#`"
    } else if message.starts_with("open string") {
        "a text ends where it began; one of several lines is in backticks: `` `text` ``"
    } else if message.starts_with("script is incomplete") {
        "something is missing at the end: a value, or a bracket that closes"
    } else {
        return sign(message, before, rest).map(str::to_owned);
    };
    Some(fixed.to_owned())
}

/// Returns advice for an unknown variable whose surroundings show what was meant.
fn placed(word: &str, before: &str, rest: &str) -> Option<&'static str> {
    let after = rest.strip_prefix(word).unwrap_or_default().trim_start();
    let is_set = after.starts_with('=') && !after.starts_with("==") && !after.starts_with("=>");
    let condition = before.trim_end().rsplit(|c: char| !c.is_alphanumeric()).next();
    Some(if before.trim_end().ends_with('{') && after.starts_with(':') {
        "a map is `#{a: 1}`, with a `#`"
    } else if is_set && matches!(condition, Some("if" | "while")) {
        "`==` compares, `=` sets a variable"
    } else if before.trim_end().ends_with('[') && after.starts_with("for ") {
        "a list is made by `list.map(|x| ..)` and `list.filter(|x| ..)`"
    } else if before.trim_end().ends_with(['(', ',']) && before.contains('(') && (is_set || after.starts_with(':')) {
        "arguments have no names; options are a map, the last argument: `fs::lines(path, #{max: 10})`"
    } else if before.contains("[ -") {
        "`fs::exists(path)` asks whether a file is there, `fs::stat(path)` what it is; a condition has no brackets"
    } else if before.trim_end().ends_with("function(") {
        "a function is `fn name(x) { x + 1 }`, one without a name `|x| x + 1`"
    } else if after.starts_with(":=") {
        "`let x = 1;` makes a variable, `x = 2;` sets it"
    } else if after.starts_with("->") {
        "a function without a name is `|x| x + 1`"
    } else if after.starts_with(',') && after.contains('=') && before.trim().is_empty() {
        "one variable at a time: `let a = 1; let b = 2;`"
    } else {
        return None;
    })
}

/// Returns advice for a namespace that does not exist.
pub(super) fn object(name: &str) -> Option<&'static str> {
    OBJECTS.iter().find(|(object, _)| *object == name).map(|(_, advice)| *advice)
}

/// Returns advice for a word that is no variable: it is a word of another language, a namespace, or out of sight.
fn word(
    word: &str,
    (before, rest): (&str, &str),
    text: &str,
    position: Position,
    names: &FunctionNames,
) -> Option<String> {
    let after = rest.strip_prefix(word).unwrap_or_default();
    if let "f" | "F" | "r" | "b" = word
        && after.starts_with(['"', '\'', '`'])
    {
        let advice = match word {
            "f" | "F" => "a text with values is in backticks: `` `text ${x}` ``",
            _ => "a text without escapes is in backticks, or is `#\"text\"#`",
        };
        return Some(advice.to_owned());
    }
    if let Some(method) = after.strip_prefix('.') {
        let method: String = method.chars().take_while(|c| *c == '_' || c.is_alphanumeric()).collect();
        let lower = word.to_lowercase();
        if names.module(&lower).is_some_and(|module| module.contains_key(method.as_str())) {
            return Some(format!("did you mean `{lower}::{method}`?"));
        }
        if names.module(&lower).is_some() {
            return names.within(&lower, &method);
        }
        if let Some(advice) = habits::advice(&method).filter(|_| OBJECTS.iter().any(|(object, _)| *object == word)) {
            return Some(advice.to_owned());
        }
    }
    let find =
        |table: &[(&str, &'static str)]| table.iter().find(|(known, _)| *known == word).map(|(_, advice)| *advice);
    let is_arrow = after.trim_start().starts_with("=>") || after.trim_start().starts_with(") =>");
    if is_arrow {
        return Some(format!("a function without a name is `|{word}| ..`"));
    }
    let is_set = after.trim_start().starts_with('=') && !after.trim_start().starts_with("==");
    let is_command = before.trim().is_empty() && after.starts_with([' ', ';']) || after.is_empty();
    let known = find(WORDS)
        .or_else(|| find(COMMANDS).filter(|_| is_command))
        .or_else(|| after.starts_with('.').then(|| find(OBJECTS)).flatten());
    if let Some(advice) = known.filter(|_| !is_set || word == "f") {
        return Some(advice.to_owned());
    }
    if is_set {
        return Some(format!("`let {word} = ..;` makes a variable"));
    }
    if declares(text, word) {
        return Some(if is_in_function(text, position) {
            format!(
                "a function does not see the variables outside of it: hand it over as a parameter, `fn name({word}) {{ .. }}`"
            )
        } else {
            format!("{} is known only after its `let`, and within the block that it is in", quoted(word))
        });
    }
    let declared =
        text.split("let ").skip(1).filter_map(|rest| rest.split(|c: char| c != '_' && !c.is_alphanumeric()).next());
    rex_core::nearest::did_you_mean(word, declared.chain(["args"]))
        .or_else(|| {
            names
                .module(word)
                .map(|_| format!("`{word}` is a namespace: `{word}::name(..)`; `rex ops {word}` lists what it has"))
        })
        .or_else(|| {
            Some(format!("`let {word} = ..;` makes a variable, a text is in double quotes: `\"{word}\"`"))
                .filter(|_| quoted(word).len() == word.len() + 2)
        })
}

/// Returns whether a script has a `let` for a variable.
fn declares(text: &str, word: &str) -> bool {
    text.split("let ").skip(1).any(|rest| {
        rest.trim_start()
            .strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()))
    })
}

/// Returns whether a place is in the body of a function, as far as braces show it.
fn is_in_function(text: &str, position: Position) -> bool {
    let line = position.line().unwrap_or(1);
    let before: String = text.lines().take(line).collect::<Vec<_>>().join("\n");
    before.rsplit("fn ").next().filter(|rest| rest.len() < before.len()).is_some_and(|body| {
        let (open, close) = (body.matches('{').count(), body.matches('}').count());
        open > close || body.lines().count() == 1
    })
}

/// Returns advice for a sign that is not expected at its place.
fn sign(message: &str, before: &str, rest: &str) -> Option<&'static str> {
    let before = before.trim_end();
    let find = |shapes: &[ErrorShape]| {
        let fits = |shape: &&ErrorShape| {
            message.contains(shape.message) && before.ends_with(shape.before) && rest.starts_with(shape.rest)
        };
        shapes.iter().find(fits).map(|shape| shape.advice)
    };
    let ends_statement = message.contains("terminate this statement");
    if ends_statement && rest.trim().is_empty() {
        return Some("a statement ends with `;`, a block with `}`");
    }
    if ends_statement && rest.starts_with(':') && before.contains('{') {
        return Some("a map is `#{\"a\": 1}`, with a `#`");
    }
    if rest.starts_with("let ") && before.ends_with(|c: char| c.is_alphabetic()) {
        return Some("a condition is a value: `let x = ..; if x != () { .. }`");
    }
    let by_sign = || SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)).map(|(_, advice)| *advice);
    let number = "a number has no unit: `50 * 1024 * 1024`; options take units as texts, `\"50MB\"`, `\"7d\"`";
    let has_unit = ends_statement && before.ends_with(|c: char| c.is_ascii_digit());
    find(SHAPES).or_else(by_sign).or_else(|| has_unit.then_some(number)).or_else(|| find(OTHERS))
}

#[cfg(test)]
mod tests {
    use rex_core::Limits;
    use rex_sdk::OPS;

    use super::*;
    use crate::script::CheckedScript;

    #[test]
    fn words_are_in_order_and_once() {
        for table in [WORDS, COMMANDS, OBJECTS] {
            assert!(table.iter().all(|(word, advice)| !word.is_empty() && !advice.is_empty()));
            let mut words: Vec<_> = table.iter().map(|(word, _)| *word).collect();
            words.dedup();
            assert_eq!(words.len(), table.len());
        }
    }

    /// Parses what each piece of advice says to write.
    #[test]
    fn what_is_advised_can_be_parsed() {
        let engine = crate::builder::script_engine(OPS, &Limits::default()).unwrap();
        let prelude = "let x = (); let y = (); let a = (); let b = (); let c = (); let list = []; let text = ``; let map = #{}; let m = #{}; let key = (); let value = (); let path = ``; let dir = ``; let name = ``; let url = ``; let body = ``; let unit = ``; let epoch = 0; let pattern = ``; let e = (); let part = ``; let other = ``;\n";
        let names = FunctionNames::new(OPS);
        let (mut count, mut wrong) = (0, Vec::new());
        for (name, advice) in WORDS.iter().chain(COMMANDS).chain(OBJECTS).chain(SIGNS) {
            let code = advice.replace("``", "¦");
            for part in code
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .chain(code.split('¦').skip(1).step_by(2).map(str::to_owned))
            {
                let is_call =
                    part.contains('(') && !part.contains("..") && !part.starts_with("e.") && !part.starts_with("rex ");
                if !is_call {
                    continue;
                }
                let start = if part.starts_with("let ") || part.starts_with("fn ") { "" } else { "let it = " };
                count += 1;
                let checked =
                    CheckedScript::new(&engine, &names, &format!("{prelude} {start}{part}"), &rhai::Scope::new(), None);
                if let Err(refused) = checked {
                    wrong.push(format!("{name}: {part}: {refused:?}"));
                }
            }
        }
        assert!(count > 40 && wrong.is_empty(), "{count}: {}", wrong.join("\n"));
    }
}
