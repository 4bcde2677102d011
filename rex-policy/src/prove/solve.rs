//! Questions to a solver, through Cedar's symbolic compiler.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::future::{Future, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cedar_policy::pst::Expr;
use cedar_policy::{EvalResult, PolicySet, Schema};
use cedar_policy_symcc::err::Error;
use cedar_policy_symcc::solver::{self, DecisionWithModel, SolverError};
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet};
use rex_core::Value;

use super::Solver;
use super::flat::FlatPolicies;
use super::kinds::{and, truth};
use super::variables::{ConditionVariables, Untranslatable};

/// A relation between two sets of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetRelation {
    /// The second allows everything that the first allows.
    Implies,
    /// No request is allowed by both.
    Disjoint,
}

/// Values of variables that make a counterexample. A variable that makes no difference is missing.
pub(super) type SolverModel = BTreeMap<String, Value>;

/// The answer to a question: a model of a counterexample, or `None` without one; an error if undecided.
type SolverAnswer = Result<Option<SolverModel>, Untranslatable>;

/// The message of a solver that cannot continue.
pub(super) type SolverFailure = String;

/// A solver that is asked each question only once.
pub(super) struct CachedSolver<'s> {
    compiler: CedarSymCompiler<SolverBridge<'s>>,
    known: HashMap<String, SolverAnswer>,
}

impl<'s> CachedSolver<'s> {
    pub(super) fn new(solver: &'s mut dyn Solver) -> Result<Self, SolverFailure> {
        let bridge = SolverBridge { script: Vec::new(), solver };
        let compiler = CedarSymCompiler::new(bridge).map_err(|error| error.to_string())?;
        Ok(Self { compiler, known: HashMap::new() })
    }

    /// Finds a request for which the relation of two sets does not hold.
    pub(super) fn against(
        &mut self,
        relation: SetRelation,
        variables: &ConditionVariables,
        (left, right): (&FlatPolicies, &FlatPolicies),
    ) -> Result<SolverAnswer, SolverFailure> {
        let permits = |side: &FlatPolicies| side.iter().any(|(permit, _)| *permit);
        if !permits(left) || (relation == SetRelation::Disjoint && !permits(right)) {
            return Ok(Ok(None));
        }
        let known = variables.known.iter().cloned().fold(truth(true), and);
        let left = format!("{}forbid (principal, action, resource) unless {{ {known} }};\n", text(left));
        let (right, schema) = (text(right), schema(variables));
        let key = format!("{relation:?}\n{schema}{left}--\n{right}");
        self.ask(key, variables, |compiler| {
            let read = |text: &str| text.parse::<PolicySet>().map_err(QueryFailure::told);
            let (schema, _) = Schema::from_cedarschema_str(&schema).map_err(QueryFailure::told)?;
            let env = schema.request_envs().next().ok_or_else(|| QueryFailure::told("there is nothing to check"))?;
            let compile = |text: &str| Ok(CompiledPolicySet::compile(&read(text)?, &env, &schema)?);
            let (left, right): (_, Result<_, QueryFailure>) = (compile(&left)?, compile(&right));
            let right = right?;
            Ok(at_once(async {
                match relation {
                    SetRelation::Implies => compiler.check_implies_with_counterexample_opt(&left, &right).await,
                    SetRelation::Disjoint => compiler.check_disjoint_with_counterexample_opt(&left, &right).await,
                }
            })??)
        })
    }

    /// Finds a request for which a condition is an error.
    pub(super) fn error(
        &mut self,
        variables: &ConditionVariables,
        condition: &Expr,
    ) -> Result<SolverAnswer, SolverFailure> {
        let known = variables.known.iter().cloned().fold(truth(true), and);
        let policy = text(&vec![(true, and(known, condition.clone()))]);
        let schema = schema(variables);
        let key = format!("error\n{schema}{policy}");
        self.ask(key, variables, |compiler| {
            let (schema, _) = Schema::from_cedarschema_str(&schema).map_err(QueryFailure::told)?;
            let env = schema.request_envs().next().ok_or_else(|| QueryFailure::told("there is nothing to check"))?;
            let set = policy.parse::<PolicySet>().map_err(QueryFailure::told)?;
            let policy = set.policies().next().ok_or_else(|| QueryFailure::told("there is nothing to check"))?;
            let policy = CompiledPolicy::compile(policy, &env, &schema)?;
            Ok(at_once(compiler.check_never_errors_with_counterexample_opt(&policy))??)
        })
    }

    fn ask(
        &mut self,
        key: String,
        variables: &ConditionVariables,
        ask: impl FnOnce(&mut CedarSymCompiler<SolverBridge<'s>>) -> Result<Option<cedar_policy_symcc::Env>, QueryFailure>,
    ) -> Result<SolverAnswer, SolverFailure> {
        if let Some(found) = self.known.get(&key) {
            return Ok(found.clone());
        }
        let found = match ask(&mut self.compiler) {
            Ok(counterexample) => Ok(counterexample.map(|env| model(&env, variables))),
            Err(QueryFailure::Undecided(why)) => Err(why),
            Err(QueryFailure::Broken(why)) => return Err(why),
        };
        self.known.insert(key, found.clone());
        Ok(found)
    }
}

enum QueryFailure {
    Undecided(Untranslatable),
    Broken(SolverFailure),
}

impl QueryFailure {
    fn told(error: impl ToString) -> Self {
        Self::Undecided(format!("the symbolic compiler rejects it: {}", error.to_string()))
    }
}

impl From<Error> for QueryFailure {
    fn from(error: Error) -> Self {
        match error {
            Error::SolverUnknown => Self::Undecided("the solver gave up".to_owned()),
            Error::SolverError(SolverError::Io(error)) => Self::Broken(error.to_string()),
            Error::SolverError(error) => Self::Broken(error.to_string()),
            other => Self::told(other),
        }
    }
}

fn text(side: &FlatPolicies) -> String {
    side.iter().fold(String::new(), |mut text, (permit, applies)| {
        let effect = if *permit { "permit" } else { "forbid" };
        let _ = writeln!(text, "{effect} (principal, action, resource) when {{ {applies} }};");
        text
    })
}

fn schema(variables: &ConditionVariables) -> String {
    let facts: Vec<_> = variables.types.iter().map(|(name, kind)| format!("{name}: {kind}")).collect();
    let facts = facts.join(", ");
    format!("entity E;\naction a appliesTo {{ principal: [E], resource: [E], context: {{ {facts} }} }};\n")
}

fn model(env: &cedar_policy_symcc::Env, variables: &ConditionVariables) -> SolverModel {
    let value = |name: &String| Some((name.clone(), value(env.request.context()?.get(name)?)?));
    variables.types.keys().filter_map(value).collect()
}

fn value(value: EvalResult) -> Option<Value> {
    Some(match value {
        EvalResult::Bool(value) => Value::Bool(value),
        EvalResult::Long(value) => Value::Int(value),
        EvalResult::String(text) | EvalResult::ExtensionValue(text) => Value::Text(text),
        EvalResult::Set(members) => {
            Value::List(members.iter().filter_map(|member| self::value(member.clone())).collect())
        }
        EvalResult::EntityUid(_) | EvalResult::Record(_) => return None,
    })
}

/// Returns the output of a future that never waits: a solver answers within one call.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, QueryFailure> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(QueryFailure::told("it waits forever")),
    }
}

/// A solver as the symbolic compiler expects it: commands are collected until a question is asked.
struct SolverBridge<'s> {
    script: Vec<u8>,
    solver: &'s mut dyn Solver,
}

impl SolverBridge<'_> {
    fn answer(&mut self, command: &str) -> Result<String, SolverError> {
        self.script.extend_from_slice(command.as_bytes());
        let script = String::from_utf8_lossy(&std::mem::take(&mut self.script)).into_owned();
        let answer = self.solver.answer(&script).map_err(SolverError::Solver)?;
        match answer.trim() {
            error if error.starts_with("(error") => Err(SolverError::Solver(error.to_owned())),
            _ => Ok(answer),
        }
    }

    fn decide(&mut self) -> Result<solver::Decision, SolverError> {
        match self.answer("(check-sat)\n")?.trim() {
            "sat" => Ok(solver::Decision::Sat),
            "unsat" => Ok(solver::Decision::Unsat),
            "unknown" => Ok(solver::Decision::Unknown),
            other => Err(SolverError::UnrecognizedSolverOutput(other.to_owned())),
        }
    }

    fn decide_with_model(&mut self) -> Result<DecisionWithModel, SolverError> {
        Ok(match self.decide()? {
            solver::Decision::Sat => DecisionWithModel::Sat { model: self.answer("(get-model)\n")? },
            solver::Decision::Unsat => DecisionWithModel::Unsat,
            solver::Decision::Unknown => DecisionWithModel::Unknown,
        })
    }
}

impl solver::Solver for SolverBridge<'_> {
    fn smtlib_input(&mut self) -> &mut (dyn tokio::io::AsyncWrite + Unpin + Send) {
        &mut self.script
    }

    fn enable_models(&mut self) -> impl Future<Output = Result<(), SolverError>> + Send {
        self.script.extend_from_slice(b"(set-option :produce-models true)\n");
        ready(Ok(()))
    }

    fn check_sat(&mut self) -> impl Future<Output = Result<solver::Decision, SolverError>> + Send {
        ready(self.decide())
    }

    fn check_sat_with_model(&mut self) -> impl Future<Output = Result<DecisionWithModel, SolverError>> + Send {
        ready(self.decide_with_model())
    }
}
