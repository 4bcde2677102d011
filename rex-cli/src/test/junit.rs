//! Results in the JUnit format.

use std::fmt::Write;

use super::TestResults;
use super::mutants::MutantResults;

/// Formats the results as XML, with a test suite for each file.
pub(super) fn xml(results: &TestResults) -> String {
    let seconds = |duration: std::time::Duration| format!("{:.6}", duration.as_secs_f64());
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "<testsuites name=\"rex policy test\" tests=\"{}\" failures=\"{}\" time=\"{}\">",
        results.cases.len() + results.mutants.as_ref().map_or(0, |mutants| mutants.all.len()),
        results.failed() + results.mutants.as_ref().map_or(0, |mutants| mutants.survived.len()),
        seconds(results.duration)
    );
    for file in results.cases.chunk_by(|a, b| a.case.file == b.case.file) {
        let name = file.first().map_or("", |tested| &tested.case.file);
        let failures = file.iter().filter(|tested| !tested.differences.is_empty()).count();
        let time = seconds(file.iter().map(|tested| tested.duration).sum());
        let _ = writeln!(
            out,
            "  <testsuite name=\"{0}\" tests=\"{1}\" failures=\"{failures}\" time=\"{time}\">",
            text(name),
            file.len()
        );
        for tested in file {
            let _ = write!(
                out,
                "    <testcase name=\"{}\" classname=\"{}\" file=\"{1}\" line=\"{}\" time=\"{}\"",
                text(&tested.case.name),
                text(name),
                tested.case.line,
                seconds(tested.duration)
            );
            match tested.differences.first() {
                None => out += "/>\n",
                Some(first) => {
                    let all = tested.differences.iter().chain(&tested.help).map(String::as_str);
                    let all = all.collect::<Vec<_>>().join("\n");
                    let _ = writeln!(
                        out,
                        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                        text(first),
                        text(&all)
                    );
                }
            }
        }
        out += "  </testsuite>\n";
    }
    if let Some(mutants) = &results.mutants {
        out += &tried(mutants);
    }
    out + "</testsuites>\n"
}

/// Formats the mutants as a test suite.
fn tried(mutants: &MutantResults) -> String {
    let (all, failures) = (mutants.all.len(), mutants.survived.len());
    let mut out = format!("  <testsuite name=\"mutants\" tests=\"{all}\" failures=\"{failures}\">\n");
    for mutant in &mutants.all {
        let _ = write!(
            out,
            "    <testcase name=\"{} {}\" classname=\"mutants\" file=\"{}\" line=\"{}\"",
            text(&mutant.policy),
            text(&mutant.change),
            text(&mutant.file),
            mutant.line
        );
        out += if mutants.survived.contains(mutant) {
            ">\n      <failure message=\"no case notices it\"/>\n    </testcase>\n"
        } else {
            "/>\n"
        };
    }
    out + "  </testsuite>\n"
}

/// Escapes text for XML, also the characters that XML does not allow.
fn text(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' => out += "&#10;",
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_is_escaped() {
        assert_eq!(super::text("a<b>&\"c\"\n\u{1}é"), "a&lt;b&gt;&amp;&quot;c&quot;&#10;\\u{1}é");
    }
}
