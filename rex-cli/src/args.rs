//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::audit::AuditCommand;

/// Runs scripts on this host, each operation decided by a policy.
///
/// The script says what to do, the policy says what is allowed. What is not permitted is denied, and every decision is
/// on record.
#[derive(Debug, Parser)]
#[command(name = "rex", version, propagate_version = true, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct CliArgs {
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    success
  1    the script failed, or a test of a policy
  2    usage, or an input that cannot be read
  3    the policy is rejected
  4    access denied
  5    a limit is exceeded
  6    a journal was changed, or holds lines that cannot be read
  70   internal, or the journal cannot be written
  130, 143  ended by SIGINT, SIGTERM";

const PLAN_HELP: &str =
    "Files are read and units looked at as far as the policy permits it. Nothing is changed, no program is
started, no host is reached: what the script would see of that is assumed, and marked so.

Exit codes:
  0    it would run to its end
  4    something is denied that the script does not catch; with --keep-going, anything
  and otherwise those of `rex run`";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a script under a policy
    Run(Box<RunCommand>),
    /// Say what a script would do under a policy, and do nothing
    #[command(after_help = PLAN_HELP)]
    Plan(Box<PlanCommand>),
    /// Explain what a lint of policies finds, or list all
    Explain(crate::explain::ExplainArgs),
    /// Say how well this host can confine runs, and what to do about it
    Doctor(DoctorArgs),
    /// Learn what a policy means
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Ask the journals of runs what was decided and done
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Decide what a journal recorded again, under another policy, and say what would change
    #[command(after_help = crate::replay::EXIT_CODES)]
    Replay(crate::replay::ReplayArgs),
    /// List the operations, those of a namespace, or explain one
    Ops(OpsArgs),
    /// Print the script language on one page
    Lang,
    /// Show the defaults that `rex.toml` and the environment set
    #[command(subcommand)]
    Config(crate::config::ConfigCommand),
    /// Write a policy, its entities and test, and a script that fit this host, to start from
    Init(crate::init::InitArgs),
    /// List the tasks of the cookbook, or print the script and policy of one
    Examples(crate::examples::ExamplesArgs),
    /// Print the schema that policies are validated against
    Schema {
        /// How to print it
        #[arg(long, value_enum, default_value_t = SchemaFormat::Cedar)]
        format: SchemaFormat,
    },
    /// Check policies, as `rex policy check`
    #[command(hide = true)]
    Check(crate::check::CheckArgs),
    /// Decide one request, as `rex policy ask`
    #[command(hide = true)]
    Ask(crate::ask::AskArgs),
    /// Run the tests of a policy, as `rex policy test`
    #[command(hide = true)]
    Test(crate::test::TestArgs),
    /// Lay policies out, as `rex policy fmt`
    #[command(hide = true)]
    Fmt(crate::fmt::FmtArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page, for `man -l -`
    Man {
        /// Command whose page it is: `run`, `policy check` (default: that of `rex`)
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Validate policies strictly, look for what is seldom meant, and compile a script if one is given
    ///
    /// Each finding has a code, which `rex explain CODE` explains. Ends with 3 if a finding is an error.
    Check(crate::check::CheckArgs),
    /// Decide one request, and say how that came about
    ///
    /// Prints the deciding policies, those that came near with the part of their condition that does not hold, and the smallest
    /// permit that would allow it. Ends with 0 where the request is allowed, and with 4 where it is denied.
    Ask(crate::ask::AskArgs),
    /// Lay policies out, all alike; what they mean and their comments stay
    Fmt(crate::fmt::FmtArgs),
    /// Write the policy that permits what journals recorded
    #[command(after_help = crate::learn::HELP)]
    Learn(crate::learn::LearnArgs),
    /// Run the tests of a policy, and say what of it they have seen
    ///
    /// A case asks one request, or runs a script in a world in memory, and says what is to come of it.
    Test(crate::test::TestArgs),
    /// Say which of a list of bad outcomes a policy lets through, for whom, by which policies
    ///
    /// Reads of keys and password hashes, files by which others become root, shells, the metadata service of a cloud, and so on:
    /// docs/risks.md lists all.
    #[command(after_help = crate::risks::HELP)]
    Risks(crate::risks::RisksArgs),
    /// Prove what a policy is to hold to, for all requests there can be
    ///
    /// A property that does not hold is refuted by an example: an operation, with the policy's decision.
    #[command(after_help = crate::prove::HELP)]
    Prove(crate::prove::ProveArgs),
    /// Say which requests a newer policy allows or denies that the older one did not
    ///
    /// By action and resource, each with a request that both have decided.
    #[command(after_help = crate::diff::EXIT_CODES)]
    Diff(crate::diff::DiffArgs),
    /// Show the most that a policy could ever permit, which is what a kernel can hold
    ///
    /// For each action, the places that the permits name. What lies there need not be permitted: the conditions of permits
    /// ask for more, and forbids take away again. The forbids that do are listed.
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
    /// Policies whose paths and programs are looked at too: a name that is a link on this host, or below one, matches nothing
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
    /// Do what was planned and nothing else: the hash of a plan, or a file that `rex plan --out` wrote
    ///
    /// It is planned again first. If the script, its arguments, the policy, what it reads, or what it would do is not as it was then,
    /// nothing is done.
    #[arg(long, value_name = "HASH_OR_FILE")]
    pub(crate) plan: Option<String>,
    #[command(flatten)]
    pub(crate) counted: CountArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlanCommand {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Go on after a denial with an empty result, to find all denials at once
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Where to write the plan, as JSON, for `rex run --plan`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Metrics of runs.
#[derive(Debug, clap::Args)]
pub(crate) struct CountArgs {
    /// Where to count what runs do, in Prometheus' text format, added to what is counted there
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
    /// The collector of OpenTelemetry that is told, by OTLP over HTTP, what the run did: `http://127.0.0.1:4318`;
    /// OTEL_EXPORTER_OTLP_ENDPOINT by default
    #[cfg(feature = "otel")]
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The script; `-` reads it from standard input
    #[arg(required_unless_present = "code", conflicts_with = "code")]
    pub(crate) script: Option<PathBuf>,
    /// The script itself
    #[arg(short = 'e', value_name = "CODE", allow_hyphen_values = true)]
    pub(crate) code: Option<String>,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Principal of the run: `Agent::"name"` or `User::"name"` (default: REX_PRINCIPAL, then `rex.toml`, then your login)
    #[arg(long)]
    pub(crate) principal: Option<String>,
    /// A tag that policies can ask for: a ticket, an environment; may be given often
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) tags: Vec<(String, String)>,
    /// An argument that the script finds as `args.KEY`: text after `=`, JSON after `:=`, as in `limit:=80` (repeatable)
    #[arg(long = "arg", value_name = "KEY=TEXT|KEY:=JSON", value_parser = key_value)]
    pub(crate) arg: Vec<(String, String)>,
    /// Arguments as a JSON object: a file, or the text itself, which starts with `{`
    #[arg(long, value_name = "FILE|JSON")]
    pub(crate) args: Option<PathBuf>,
    /// Directory of relative paths; the current directory by default
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<PathBuf>,
    /// Limit, such as `wall=5s`, `memory=64MB` or `entries=200000` (repeatable)
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) limits: Vec<(String, String)>,
    /// Longest time of the run, as `--limit wall=TIME`: `5s`, `2m`
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
    /// Journal to append every decision and outcome to, one JSON line each (default: REX_JOURNAL, then `rex.toml`, then none)
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// When to write the journal to the disk
    #[arg(long, value_enum, default_value_t = Durability::Batch)]
    pub(crate) durability: Durability,
    /// When to rotate the journal: `size=100MB,age=7d`, either or both
    #[arg(long, value_name = "WHEN", value_parser = crate::rotation::Rotation::parse)]
    pub(crate) journal_rotate: Option<crate::rotation::Rotation>,
    /// A private key, as `rex audit keygen` makes it, to sign the journal with
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint_key: Option<PathBuf>,
    /// Show what the script is doing, if standard error is a terminal
    #[arg(long)]
    pub(crate) progress: bool,
    /// Refuse files that have more than one name
    #[arg(long)]
    pub(crate) deny_hard_links: bool,
    /// What to do where this host cannot confine the run
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
    /// To whom: `Agent::"name"` or `User::"name"`; to any principal by default
    #[arg(long)]
    pub(crate) principal: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    pub(crate) format: OutputFormat,
}

#[derive(Debug, clap::Args)]
pub(crate) struct OpsArgs {
    /// Operation, such as `fs::read` or `read`, or namespace, such as `fs` or `json`
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
    /// Whenever the system writes its buffers
    None,
    /// Within a second, and before a run is reported
    Batch,
    /// Also before each act that changes something
    Each,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Confine {
    /// Refuse the run, and say what is missing
    Require,
    /// Go without what is missing, and say so in the report
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
    /// For documents
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaFormat {
    /// Cedar's own syntax
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
        _ => Err(format!("`{text}` is not of the form `key=value`")),
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
