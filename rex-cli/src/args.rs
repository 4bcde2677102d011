//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::audit::AuditCommand;

/// Run scripts on this host under a policy that decides each operation.
///
/// The script says what to do, and the policy says what is allowed. Rex denies everything that the policy does not permit,
/// and can record every decision in a journal.
#[derive(Debug, Parser)]
#[command(name = "rex", version, propagate_version = true, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct CliArgs {
    /// When to use colors.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// Ignore `rex.toml` files
    #[arg(long, global = true)]
    pub(crate) no_config: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    success
  1    the script or a policy test failed
  2    usage, or an input that cannot be read
  3    the policy is rejected
  4    access denied
  5    a limit is exceeded
  6    a journal was changed, or has unreadable lines
  70   internal error, or the journal cannot be written
  130, 143  ended by SIGINT or SIGTERM";

const PLAN_HELP: &str =
    "A plan reads files and queries units where the policy permits it. It changes nothing, starts no program, and
contacts no host: it assumes their results, and marks them as assumed.

Exit codes:
  0    the script would run to its end
  4    a denial that the script does not catch; with --keep-going, any denial
  other codes are those of `rex run`";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a script under a policy
    Run(Box<RunCommand>),
    /// Show what a script would do under a policy, without doing it
    #[command(after_help = PLAN_HELP)]
    Plan(Box<PlanCommand>),
    /// Explain a policy lint, an error code or an annotation, or list all lints
    Explain(crate::explain::ExplainArgs),
    /// Check how well this host can confine runs, and how to fix what is missing
    Doctor(DoctorArgs),
    /// Work with policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Query, verify and export the journals of runs
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Decide the requests in a journal again under another policy, and report what would change
    #[command(after_help = crate::replay::EXIT_CODES)]
    Replay(crate::replay::ReplayArgs),
    /// List all operations or those of a namespace, or explain one operation
    Ops(OpsArgs),
    /// Print the script language on one page
    Lang,
    /// Show the defaults that `rex.toml` and the environment set
    #[command(subcommand)]
    Config(crate::config::ConfigCommand),
    /// Write a starter policy, entities, test and script for this host
    Init(crate::init::InitArgs),
    /// List the cookbook tasks, or print the script and policy of one
    Examples(crate::examples::ExamplesArgs),
    /// Print the schema that Rex validates policies against
    Schema {
        /// How to print it
        #[arg(long, value_enum, default_value_t = SchemaFormat::Cedar)]
        format: SchemaFormat,
    },
    /// Alias of `rex policy check`
    #[command(hide = true)]
    Check(crate::check::CheckArgs),
    /// Alias of `rex policy ask`
    #[command(hide = true)]
    Ask(crate::ask::AskArgs),
    /// Alias of `rex policy test`
    #[command(hide = true)]
    Test(crate::test::TestArgs),
    /// Alias of `rex policy fmt`
    #[command(hide = true)]
    Fmt(crate::fmt::FmtArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page, for `man -l -`
    Man {
        /// Command to document, such as `run` or `policy check` (default: `rex` itself)
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Validate policies, run the lints, and compile a script if one is given
    ///
    /// `rex explain CODE` explains the code of a finding. The exit code is 3 if a finding is an error.
    Check(crate::check::CheckArgs),
    /// Decide one request, and explain the decision
    ///
    /// Prints the deciding policies, the near misses with the part of their condition that fails, and the smallest permit that
    /// would allow the request. The exit code is 0 if the request is allowed, and 4 if it is denied.
    Ask(crate::ask::AskArgs),
    /// Format policies; their meaning and comments do not change
    Fmt(crate::fmt::FmtArgs),
    /// Generate a policy that permits the requests recorded in journals
    #[command(after_help = crate::learn::HELP)]
    Learn(crate::learn::LearnArgs),
    /// Run the tests of a policy, and report coverage
    ///
    /// A case decides one request, or runs a script in an in-memory world, and states the expected result.
    Test(crate::test::TestArgs),
    /// Report which known bad outcomes a policy allows, for whom, and by which policies
    ///
    /// Examples are reads of keys and password hashes, writes to files that lead to root, shells, and cloud metadata services:
    /// docs/risks.md lists all.
    #[command(after_help = crate::risks::HELP)]
    Risks(crate::risks::RisksArgs),
    /// Prove that properties of a policy hold for every possible request
    ///
    /// A property that does not hold is refuted by an example: an operation, and the policy's decision.
    #[command(after_help = crate::prove::HELP)]
    Prove(crate::prove::ProveArgs),
    /// Show which requests a newer policy allows or denies that the older one did not
    ///
    /// Lists changes by action and resource, each with an example request that both policies decided.
    #[command(after_help = crate::diff::EXIT_CODES)]
    Diff(crate::diff::DiffArgs),
    /// Show the most that a policy could ever permit, which is what the kernel can enforce
    ///
    /// Lists, for each action, the places that the permits name. Not all requests there are permitted: the conditions of permits
    /// and the forbids restrict them. The forbids that do are listed.
    Reach(ReachArgs),
}

/// Files and directories of policies.
#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArgs {
    /// Policy file, or folder with `*.cedar` files at any depth (repeatable; default: REX_POLICY, then `rex.toml`)
    #[arg(short = 'p', long = "policy", value_name = "FILE_OR_DIR")]
    pub(crate) policies: Vec<PathBuf>,
    /// Cedar entities as JSON: groups of principals, classes of resources (default: REX_ENTITIES, then those of `rex.toml`)
    #[arg(long, value_name = "FILE")]
    pub(crate) entities: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Also check the paths and programs that these policies name: a name that is a symbolic link on this host, or below one,
    /// matches nothing
    #[arg(long = "policy", value_name = "FILE_OR_DIR")]
    pub(crate) policies: Vec<PathBuf>,
    /// Cedar entities as JSON: groups of principals, classes of resources
    #[arg(long, value_name = "FILE", requires = "policies")]
    pub(crate) entities: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    pub(crate) format: OutputFormat,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunCommand {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Run exactly this plan: its hash, or a file that `rex plan --out` wrote
    ///
    /// Rex plans the script again first. If the script, its arguments, the policy, what it reads, or what it would do has changed,
    /// the run does nothing.
    #[arg(long, value_name = "HASH_OR_FILE")]
    pub(crate) plan: Option<String>,
    #[command(flatten)]
    pub(crate) counted: CountArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlanCommand {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Continue after a denial with an empty result, to find all denials at once
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Write the plan to this file as JSON, for `rex run --plan`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Metrics of runs.
#[derive(Debug, clap::Args)]
pub(crate) struct CountArgs {
    /// Add the metrics of this run to this file, in the Prometheus text format
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
    /// OpenTelemetry collector to send traces and metrics of the run to, by OTLP over HTTP: `http://127.0.0.1:4318`
    /// (default: OTEL_EXPORTER_OTLP_ENDPOINT)
    #[cfg(feature = "otel")]
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Script file; `-` reads standard input
    #[arg(required_unless_present = "code", conflicts_with = "code")]
    pub(crate) script: Option<PathBuf>,
    /// The folder to read the script from, if its links are resolved already.
    #[arg(skip)]
    pub(crate) folder: Option<PathBuf>,
    /// Run this code instead of a file
    #[arg(short = 'e', value_name = "CODE", allow_hyphen_values = true)]
    pub(crate) code: Option<String>,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Principal of the run: `Agent::"name"` or `User::"name"` (default: REX_PRINCIPAL, then `rex.toml`, then your login)
    #[arg(long)]
    pub(crate) principal: Option<String>,
    /// Tag that policies can check, such as `ticket=OPS-7` or `env=prod` (repeatable)
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) tags: Vec<(String, String)>,
    /// Argument that the script reads as `args.KEY`: text after `=`, JSON after `:=`, as in `limit:=80` (repeatable)
    #[arg(long = "arg", value_name = "KEY=TEXT|KEY:=JSON", value_parser = key_value)]
    pub(crate) arg: Vec<(String, String)>,
    /// Arguments as a JSON object: a file, or the JSON itself if it starts with `{`
    #[arg(long, value_name = "FILE|JSON")]
    pub(crate) args: Option<PathBuf>,
    /// Directory that relative paths start from (default: the current directory)
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<PathBuf>,
    /// Limit, such as `wall=5s`, `memory=64MB` or `entries=200000` (repeatable)
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) limits: Vec<(String, String)>,
    /// Longest time of the run, such as `5s` or `2m`; the same as `--limit wall=TIME`
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
    /// Journal to append every decision and outcome to, one JSON line each (default: REX_JOURNAL, then `rex.toml`, then none)
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// When to sync the journal to the disk
    #[arg(long, value_enum, default_value_t = Durability::Batch)]
    pub(crate) durability: Durability,
    /// When to rotate the journal: `size=100MB,age=7d`, either or both
    #[arg(long, value_name = "WHEN", value_parser = crate::rotation::Rotation::parse)]
    pub(crate) journal_rotate: Option<crate::rotation::Rotation>,
    /// Private key to sign the journal with, from `rex audit keygen`
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint_key: Option<PathBuf>,
    /// Show progress, if standard error is a terminal
    #[arg(long)]
    pub(crate) progress: bool,
    /// Refuse files that have more than one name (hard links)
    #[arg(long)]
    pub(crate) deny_hard_links: bool,
    /// What to do if this host cannot confine the run
    #[arg(long, value_enum, default_value_t = Confine::Require)]
    pub(crate) confine: Confine,
    /// Service manager's bus: `system`, `user`, or an address (default: REX_BUS, then `rex.toml`, then `system`)
    #[arg(long)]
    pub(crate) bus: Option<String>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    pub(crate) format: OutputFormat,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReachArgs {
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Principal: `Agent::"name"` or `User::"name"` (default: any principal)
    #[arg(long)]
    pub(crate) principal: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    pub(crate) format: OutputFormat,
}

#[derive(Debug, clap::Args)]
pub(crate) struct OpsArgs {
    /// Operation, such as `fs::read` or `read`; or namespace, such as `fs` or `json`
    pub(crate) name: Option<String>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = ListFormat::Human)]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Human,
    /// For programs
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// Leave it to the operating system
    None,
    /// Within 1 second, and before a run is reported
    Batch,
    /// As `batch`, and before each operation that changes something
    Each,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Confine {
    /// Refuse the run, and report what is missing
    Require,
    /// Run without what is missing, and report it
    Available,
    /// Run without any confinement, in this process
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people
    Human,
    /// For programs
    Json,
    /// For documentation
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaFormat {
    /// Cedar schema syntax
    Cedar,
    /// JSON
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not in the form `key=value`")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::CliArgs::command().debug_assert();
    }
}
