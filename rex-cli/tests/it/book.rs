//! The pages of the book: their commands print what they show, their code runs, and their links lead somewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::examples::root;
use crate::policy_repo::{printed, shell};

/// The folder that the pages name. Tests work in a folder with a name of the same length, so that the output has the same layout.
const FOLDER: &str = "/tmp/rex-start";

/// A block of code on a page.
struct Block {
    /// The line of text before it.
    before: String,
    kind: String,
    text: String,
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            blocks.push(Block { before: before.to_owned(), kind: kind.to_owned(), text });
        } else if !line.is_empty() {
            before = line;
        }
    }
    blocks
}

/// Returns the texts of all blocks of a kind.
fn texts(page: &str, kind: &str) -> Vec<String> {
    blocks(page).into_iter().filter(|block| block.kind == kind).map(|block| block.text).collect()
}

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        let random = FOLDER.len() - "/tmp/".len();
        Self(tempfile::Builder::new().prefix("").rand_bytes(random).tempdir_in("/tmp").unwrap())
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text.replace(FOLDER, self.path())).unwrap();
    }

    /// Runs a command, and returns its output with the folder that the pages name.
    fn run(&self, line: &str) -> String {
        let line = format!("umask 022; {}", line.replace(FOLDER, self.path()));
        printed(&shell(self.0.path(), &line)).trim_end().replace(self.path(), FOLDER)
    }

    /// Does what a page says: saves its files, runs its commands, and compares their output.
    fn follow(&self, page: &str) {
        let mut commands = 0;
        for block in blocks(page) {
            let name = |words: &str| block.before.rsplit_once(words)?.1.strip_suffix("`:");
            if block.kind == "console" {
                for command in format!("\n{}", block.text).split("\n$ ").skip(1) {
                    let (line, shown) = command.split_once('\n').unwrap_or((command, ""));
                    let output = self.run(line);
                    assert!(fits(&output, shown.trim_end()), "{line} printed:\n{output}\n\nthe page shows:\n{shown}");
                    commands += 1;
                }
            } else if let Some(name) = name("Save this as `") {
                self.write(name, &block.text);
            } else if let Some(name) = name("Add this to `") {
                let old = std::fs::read_to_string(self.0.path().join(name)).unwrap();
                self.write(name, &format!("{old}\n{}", block.text));
            }
        }
        assert!(commands > 2, "{commands} commands");
    }
}

/// Returns whether output is what a page shows: `…` stands for a part of a line or, alone in a line, for any lines.
fn fits(output: &str, shown: &str) -> bool {
    fn lines_fit(output: &[&str], shown: &[&str]) -> bool {
        match shown {
            [] => output.is_empty(),
            ["…", rest @ ..] => (0..=output.len()).any(|count| lines_fit(&output[count..], rest)),
            [first, rest @ ..] => match output {
                [line, more @ ..] => line_fits(line, first) && lines_fit(more, rest),
                [] => false,
            },
        }
    }
    lines_fit(&output.lines().collect::<Vec<_>>(), &shown.lines().collect::<Vec<_>>())
}

/// Compares a line. If a `…` stands for a part of it, any number of blanks is one, as columns move with that part.
fn line_fits(line: &str, shown: &str) -> bool {
    let single = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (line_blanks, shown_blanks) = (single(line), single(shown));
    let parts: Vec<_> = shown_blanks.split('…').collect();
    let [start, middle @ .., end] = &parts[..] else { return line == shown };
    let Some(mut line) = line_blanks.strip_prefix(start) else { return false };
    for part in middle {
        let Some((_, rest)) = line.split_once(part) else { return false };
        line = rest;
    }
    line.ends_with(end)
}

#[test]
fn output_is_compared_but_for_what_differs() {
    assert!(fits("a\nb 12 ms c\nd\ne", "a\nb … c\n…\ne"));
    assert!(fits("a\ne", "a\n…\ne"));
    for (output, shown) in
        [("a", "b"), ("a  b", "a b"), ("a\nb", "a"), ("a", "a\nb"), ("run x: 1", "run …: 2"), ("b", "…\na")]
    {
        assert!(!fits(output, shown), "{output}: {shown}");
    }
}

#[test]
fn a_beginner_sees_what_the_page_shows() {
    Scratch::new().follow(&page("docs/start.md"));
}

#[test]
fn an_agent_sees_what_the_page_shows() {
    Scratch::new().follow(&page("docs/agents.md"));
}

#[test]
fn an_operator_sees_what_the_page_shows() {
    Scratch::new().follow(&page("docs/operating.md"));
}

#[test]
fn the_policies_are_valid_and_decide_as_their_page_says() {
    let page = page("docs/policies.md");
    let scratch = Scratch::new();
    scratch.write("shop.cedar", &texts(&page, "cedar").join("\n"));
    scratch.follow(&page);
    assert_eq!(scratch.run("rex policy fmt --check shop.cedar"), "");
    for (number, policy) in texts(&page, "cedar").iter().enumerate() {
        scratch.write("one.cedar", policy);
        let output = scratch.run("rex policy check one.cedar --entities entities.json --allow REX003");
        assert!(output.ends_with(", all valid") && output.lines().count() == 1, "block {number}: {output}");
    }
}

#[test]
fn the_code_of_the_language_page_prints_what_its_comments_say() {
    let page = page("docs/language.md");
    assert!(page.chars().count() <= 4 * 1200, "the page is for models: at most 1,200 tokens of about 4 characters");
    let scratch = Scratch::new();
    scratch.write("app.log", "ok one\nERROR two\n");
    scratch.write(
        "policy.cedar",
        &format!("permit (principal, action in fs::Action::\"ReadOnly\", resource in fs::Path::\"{FOLDER}\");"),
    );
    let scripts = texts(&page, "rhai");
    assert!(scripts.len() >= 6);
    for script in scripts {
        scratch.write("script.rhai", &script);
        let printing = script.lines().filter(|line| line.contains("print("));
        let comments: Vec<_> = printing.filter_map(|line| Some(line.rsplit_once(" // ")?.1)).collect();
        let output = scratch.run("rex run script.rhai --policy policy.cedar --principal 'Agent::\"reader\"'");
        assert_eq!(output.lines().collect::<Vec<_>>(), comments, "{script}");
    }
}

#[test]
fn the_policy_of_the_readme_passes_the_check_and_denies_what_the_script_tries() {
    let page = page("README.md");
    let scratch = Scratch::new();
    let only = |kind: &str| {
        let texts = texts(&page, kind);
        assert_eq!(texts.len(), 1, "{kind}");
        texts.concat()
    };
    scratch.write("policy.cedar", &only("cedar"));
    scratch.write("entities.json", &only("json"));
    scratch.write("script.rhai", &only("rhai"));
    let output = scratch.run("rex policy check policy.cedar --entities entities.json --script script.rhai");
    assert_eq!(output, "4 policies, all valid, `script.rhai` compiles");
    assert_eq!(scratch.run("rex policy fmt --check policy.cedar"), "");

    let script: String = only("rhai").lines().map(|line| format!("      {line}\n")).collect();
    let case = format!(
        "cases:
  - name: the script
    principal: Agent::\"triage\"
    run: |
{script}    files: {{ /srv/app/version.txt: \"1.4.2\", /srv/app/config.yaml: \"\" }}
    units: {{ nginx.service: active }}
    expect: deny
    policies: [no-config]
    reason: configuration changes go through review
"
    );
    scratch.write("readme.test.yaml", &case);
    let output = scratch.run("rex policy test .");
    assert!(output.contains("1 passed, 0 failed"), "{output}");
}

#[test]
fn the_code_of_the_embedding_page_is_that_of_the_crates() {
    let mut sources = Vec::new();
    for name in ["rex-audit", "rex-cli", "rex-core", "rex-engine", "rex-policy", "rex-sdk"] {
        // Lines that start with `# ` are not shown.
        let shown = page(&format!("{name}/README.md"))
            .lines()
            .filter(|line| !line.starts_with("# "))
            .map(|line| format!("{line}\n"))
            .collect();
        sources.push(shown);
        if let Ok(examples) = std::fs::read_dir(root().join(name).join("examples")) {
            sources.extend(examples.map(|example| std::fs::read_to_string(example.unwrap().path()).unwrap()));
        }
    }
    let code = texts(&page("docs/embedding.md"), "rust");
    assert!(code.len() >= 6);
    for code in code {
        assert!(sources.iter().any(|source: &String| source.contains(&code)), "not in a crate: {code}");
    }
}

/// Returns the pages of the book, and those beside it, relative to the root.
fn pages() -> Vec<String> {
    let names =
        std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<_> = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    pages.sort();
    pages.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned));
    pages
}

/// Returns the lines of a page that are in no block of code.
fn prose(page: &str) -> Vec<&str> {
    let mut in_code = false;
    let is_prose = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !fence && !in_code
    };
    page.lines().filter(is_prose).collect()
}

/// Returns the targets of the links of a page.
fn links(page: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(page) {
        let without_code: String = line.split('`').step_by(2).collect();
        links.extend(without_code.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    links
}

/// Returns the anchors of a page: its headings in lower case without punctuation, numbered where they are alike.
fn anchors(page: &str) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let headings = prose(page).into_iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        let anchor: String = kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
        let count = seen.entry(anchor.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
    };
    headings.map(anchor).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut checked = 0;
    let mut broken = Vec::new();
    for name in pages() {
        let text = page(&name);
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (path, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(path, anchor)| (path, Some(anchor)));
            let target: PathBuf = match path {
                "" => root().join(&name),
                path => root().join(Path::new(&name).parent().unwrap()).join(path),
            };
            let leads = match anchor {
                _ if !target.exists() => false,
                Some(anchor) => anchors(&std::fs::read_to_string(&target).unwrap()).iter().any(|other| other == anchor),
                None => true,
            };
            if !leads {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(checked > 100, "{checked} links");
}

#[test]
fn each_page_is_in_the_summary() {
    let summary = links(&page("docs/SUMMARY.md"));
    let missing: Vec<_> = pages()
        .into_iter()
        .filter_map(|name| name.strip_prefix("docs/").map(str::to_owned))
        .filter(|name| name != "SUMMARY.md" && summary.iter().filter(|link| *link == name).count() != 1)
        .collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md, or more than once: {missing:?}");
}
