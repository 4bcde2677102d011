//! Advice for parse errors: what a word or a sign of another language is in Rhai.

mod tables;

use rhai::Position;

use self::tables::{COMMANDS, ErrorShape, OBJECTS, OTHERS, SHAPES, SIGNS, WORDS};
use super::habits;
use super::names::{FunctionNames, quoted};

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
    let is_set = sets(after);
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
    find(OBJECTS, name)
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, advice)| *advice)
}

/// Returns whether the text after a word sets a variable of that name.
fn sets(after: &str) -> bool {
    let after = after.trim_start();
    after.starts_with('=') && !after.starts_with("==") && !after.starts_with("=>")
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
        if let Some(advice) = habits::advice(&method).filter(|_| object(word).is_some()) {
            return Some(advice.to_owned());
        }
    }
    let is_arrow = after.trim_start().starts_with("=>") || after.trim_start().starts_with(") =>");
    if is_arrow {
        return Some(format!("a function without a name is `|{word}| ..`"));
    }
    let is_set = sets(after);
    let is_command = before.trim().is_empty() && after.starts_with([' ', ';']) || after.is_empty();
    let known = find(WORDS, word)
        .or_else(|| find(COMMANDS, word).filter(|_| is_command))
        .or_else(|| object(word).filter(|_| after.starts_with('.')));
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
        let fits = |(part, end, start, _): &&ErrorShape| {
            message.contains(part) && before.ends_with(end) && rest.starts_with(start)
        };
        shapes.iter().find(fits).map(|(.., advice)| *advice)
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
