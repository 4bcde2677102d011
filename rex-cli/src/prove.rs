//! `rex policy prove`

use std::path::PathBuf;

use crate::args::{OutputFormat, PolicyArgs};
use crate::patience::PatienceArgs;

pub(crate) const HELP: &str = "A property is a Cedar policy with an annotation that states the claim:
  @prove(\"at-most\") permit
                      the policy allows nothing beyond all of these permits together
  @prove(\"never\") forbid
                      the policy allows none of these requests
  @prove(\"no-error\") permit
                      no policy fails with an error on these requests, which would deny them
  @prove(\"never-run\") forbid
                      if the policy allows one of these requests on a path, the same principal may not run that path

A property that matches no request, or an `at-most` that permits every request, holds for every policy: it is vacuous, and fails.

Without `--entities`, proofs hold for every entities file. The solver is cvc5 (Debian package `cvc5`). Rex finds it on the `PATH`, or by
the environment variable `CVC5`.

Exit codes:
  0    every property is proved
  1    a property is refuted or vacuous, or could not be decided
  2    usage, an input that cannot be read, or no solver
  3    the policy or a property is rejected";

#[derive(Debug, clap::Args)]
pub(crate) struct ProveArgs {
    /// Files of properties, written in Cedar
    #[arg(value_name = "FILE", required_unless_present = "same")]
    properties: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Prove that the policy allows exactly what this one does: a file or a folder
    #[arg(long, value_name = "FILE_OR_DIR")]
    same: Option<PathBuf>,
    #[command(flatten)]
    patience: PatienceArgs,
    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    format: OutputFormat,
}

/// Reports that this command can prove nothing.
#[cfg(not(feature = "prove"))]
pub(crate) fn prove(_: &ProveArgs, _: crate::args::Color) -> Result<crate::exit::Exit, crate::exit::Stop> {
    Err(crate::exit::Stop::usage("this `rex` was built without proofs")
        .with_help("build rex-cli with the feature `prove`"))
}

#[cfg(feature = "prove")]
pub(crate) use with_solver::prove;

#[cfg(feature = "prove")]
mod with_solver {
    use std::fmt::Write;

    use rex_policy::{
        ExampleRequest, Finding, Lint, LintLevels, Policy, ProofVerdict, PropertyProof, ProveError, Prover, Severity,
    };
    use serde::Serialize;

    use super::ProveArgs;
    use crate::args::{Color, OutputFormat};
    use crate::check::ShownFinding;
    use crate::exit::{Exit, Stop};
    use crate::operation::ShownOperation;
    use crate::patience::SolverPatience;
    use crate::solver::Cvc5;
    use crate::{check, draw, load, print};

    /// The lints about policies that decide together, and about the annotations that decisions show.
    const TOGETHER: [&str; 8] = ["REX002", "REX003", "REX004", "REX005", "REX009", "REX010", "REX011", "REX016"];

    /// Proves or refutes properties of a policy.
    pub(crate) fn prove(args: &ProveArgs, color: Color) -> Result<Exit, Stop> {
        let policies = load::policies(&args.policy)?;
        let stated = policies.beside(&args.properties)?;
        let same = args.same.as_ref().map(|path| policies.beside(std::slice::from_ref(path))).transpose()?;
        let compiled = policies.compile().and_then(|policy| {
            Ok((policy, stated.properties()?, same.as_ref().map(load::PolicySources::compile).transpose()?))
        });
        let (policy, stated, same) = match compiled {
            Ok(compiled) => compiled,
            Err(found) => return Ok(check::rejected(&found, args.format, color)),
        };
        let patience = args.patience.timeout;
        let findings = found(&stated);
        let mut solver = Cvc5::needed(patience)?;
        let proofs = match proofs(&mut solver, &policy, &stated, same.as_ref().zip(args.same.as_deref())) {
            Ok(proofs) => proofs,
            Err(ProveError::Property(found)) => return Ok(check::rejected(&found, args.format, color)),
            Err(error) => return Err(Stop::usage(error.to_string())),
        };
        let shown = ProveOutput::new(&proofs, &findings);
        let sound = findings.iter().all(|finding| finding.severity == Severity::Warning);
        print(&match args.format {
            OutputFormat::Json => serde_json::to_string(&shown).map_err(|error| Stop::internal(error.to_string()))?,
            OutputFormat::Human => {
                findings.iter().for_each(|finding| draw::finding(color, finding));
                human(&shown, patience)
            }
        })?;
        Ok(if shown.proved == proofs.len() && sound { Exit::Success } else { Exit::Found })
    }

    /// Runs the lints on properties, without those about decisions: properties decide nothing.
    fn found(stated: &Policy) -> Vec<Finding> {
        let levels =
            LintLevels { allow: TOGETHER.iter().copied().filter_map(Lint::of).collect(), ..LintLevels::default() };
        let mut findings = stated.lints(&levels);
        // The lints include the warnings that have a code.
        findings.extend(stated.warnings().iter().filter(|finding| finding.code.is_none()).cloned());
        findings
    }

    fn proofs(
        solver: &mut Cvc5,
        policy: &Policy,
        stated: &Policy,
        same: Option<(&Policy, &std::path::Path)>,
    ) -> Result<Vec<PropertyProof>, ProveError> {
        let mut prover = Prover::new(solver)?;
        let mut proofs = prover.prove(policy, stated)?;
        if let Some((other, path)) = same {
            let verdict = prover.same(policy, other)?;
            proofs.push(PropertyProof { property: path.display().to_string(), claim: "it means the same", verdict });
        }
        Ok(proofs)
    }

    fn human(shown: &ProveOutput<'_>, patience: SolverPatience) -> String {
        let mut out = String::new();
        for one in &shown.properties {
            let _ = writeln!(out, "{:<9} {}: {}", one.verdict, draw::line(one.property), one.claim);
            for operation in &one.operations {
                let _ = writeln!(out, "    {}", draw::line(&operation.text));
            }
            if let Some(why) = one.why {
                let by: Vec<_> = one.policies.iter().map(|id| format!("`{}`", draw::line(id))).collect();
                let by = if by.is_empty() { String::new() } else { format!(", by {}", by.join(" and ")) };
                let _ = writeln!(out, "    {why}{by}");
            }
            for reason in one.reasons {
                let _ = writeln!(out, "    {}", draw::line(reason));
            }
        }
        let ProveOutput { proved, refuted, undecided, vacuous, .. } = shown;
        let _ = writeln!(out, "\n{proved} proved, {refuted} refuted, {undecided} undecided, {vacuous} vacuous");
        if *undecided > 0 {
            let _ = writeln!(out, "{}", patience.advice());
        }
        out
    }

    #[derive(Serialize)]
    struct ProveOutput<'a> {
        proved: usize,
        refuted: usize,
        undecided: usize,
        vacuous: usize,
        properties: Vec<ShownProof<'a>>,
        /// The findings in the properties.
        findings: Vec<ShownFinding<'a>>,
    }

    #[derive(Serialize)]
    struct ShownProof<'a> {
        property: &'a str,
        claim: &'static str,
        verdict: &'static str,
        operations: Vec<ShownOperation>,
        policies: Vec<&'a str>,
        why: Option<&'a str>,
        reasons: &'a [String],
    }

    impl<'a> ProveOutput<'a> {
        fn new(proofs: &'a [PropertyProof], findings: &'a [Finding]) -> Self {
            let properties: Vec<_> = proofs.iter().map(ShownProof::new).collect();
            let count = |verdict| properties.iter().filter(|one| one.verdict == verdict).count();
            Self {
                proved: count("proved"),
                refuted: count("refuted"),
                undecided: count("undecided"),
                vacuous: count("vacuous"),
                properties,
                findings: findings.iter().map(ShownFinding::new).collect(),
            }
        }
    }

    impl<'a> ShownProof<'a> {
        fn new(proof: &'a PropertyProof) -> Self {
            let mut shown = Self {
                property: &proof.property,
                claim: proof.claim,
                verdict: "proved",
                operations: Vec::new(),
                policies: Vec::new(),
                why: None,
                reasons: &[],
            };
            match &proof.verdict {
                ProofVerdict::Proved => {}
                ProofVerdict::Vacuous(why) => (shown.verdict, shown.why) = ("vacuous", Some(why.as_str())),
                ProofVerdict::Undecided(reasons) => (shown.verdict, shown.reasons) = ("undecided", reasons),
                ProofVerdict::Refuted(it) => {
                    shown.verdict = "refuted";
                    shown.operations =
                        it.operations.iter().map(|it: &ExampleRequest| ShownOperation::new(it)).collect();
                    shown.policies = it.policies.iter().map(|id| &**id).collect();
                    shown.why = Some(it.why);
                }
            }
            shown
        }
    }
}
