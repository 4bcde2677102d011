//! Search for requests that show something: a solver proposes, the policy decides.

use std::collections::BTreeMap;

use cedar_policy::pst::Expr;
use rex_core::ActionSpec;

use super::flat::{FlatAction, FlatPolicies};
use super::kinds::ID;
use super::real;
use super::solve::{SetRelation, SolverFailure};
use super::variables::{ConditionVariables, Untranslatable};
use super::{Counterexample, ProofVerdict, Prover};
use crate::operation::ExampleRequest;
use crate::policy::Policy;
use crate::vocabulary::PRINCIPALS;

/// Maximum number of questions while a solver chooses what no request can have.
const ROUNDS: usize = 24;

/// The reason if a solver finds only values that no request can have.
pub(super) const UNREAL: &str = "the only counterexamples found are impossible requests";

/// A question about one action by one type of principal, or about two actions by the same.
pub(super) struct SolverQuestion<'p> {
    pub(super) variables: ConditionVariables,
    pub(super) acts: Vec<FlatAction<'p>>,
    pub(super) ask: SolverQuery,
}

pub(super) enum SolverQuery {
    Pair(SetRelation, FlatPolicies, FlatPolicies),
    Error(Expr),
}

/// Requests that were found, or `None` if none exist; an error if undecided.
pub(super) type SoughtRequests = Result<Option<Vec<ExampleRequest>>, Untranslatable>;

/// Returns each action with each type of principal.
pub(crate) fn acts(policy: &Policy) -> impl Iterator<Item = (&'static ActionSpec, &'static str)> + use<> {
    policy.actions().iter().flat_map(|spec| PRINCIPALS.map(|principal| (*spec, principal)))
}

impl Prover<'_> {
    /// Asks about each action by each type of principal until requests are found.
    pub(super) fn each(
        &mut self,
        policy: &Policy,
        mut ask: impl FnMut(&mut Self, &'static ActionSpec, &'static str) -> Result<SoughtRequests, SolverFailure>,
    ) -> Result<ProofVerdict, SolverFailure> {
        // The reasons why it is undecided, with the places.
        let mut reasons = BTreeMap::<Untranslatable, Vec<String>>::new();
        for (spec, principal) in acts(policy) {
            match ask(self, spec, principal)? {
                Ok(None) => {}
                Ok(Some(operations)) => {
                    return Ok(ProofVerdict::Refuted(Box::new(Counterexample {
                        operations,
                        policies: Vec::new(),
                        why: "",
                    })));
                }
                Err(why) => reasons.entry(why).or_default().push(format!("{spec} by {}", principal.to_lowercase())),
            }
        }
        if reasons.is_empty() {
            return Ok(ProofVerdict::Proved);
        }
        let reasons = reasons.into_iter().map(|(why, places)| {
            let more = if places.len() > 1 { format!(" and {} more", places.len() - 1) } else { String::new() };
            format!("{}{more}: {why}", places.first().map_or("", String::as_str))
        });
        Ok(ProofVerdict::Undecided(reasons.collect()))
    }

    /// Asks a solver for requests until `shows` accepts some of them.
    pub(super) fn seek(
        &mut self,
        question: Result<SolverQuestion<'_>, Untranslatable>,
        policy: &Policy,
        shows: &dyn Fn(&[ExampleRequest]) -> bool,
    ) -> Result<SoughtRequests, SolverFailure> {
        let mut question = match question {
            Ok(question) => question,
            Err(untold) => return Ok(Err(untold)),
        };
        let ConditionVariables { types, known, if_used, .. } = &mut question.variables;
        known.extend(if_used.drain(..).filter(|(name, _)| types.contains_key(name)).map(|(_, expr)| expr));
        if types.contains_key(ID) {
            known.extend(question.acts.iter().map(|act| act.kind.shape()));
        }
        let sought = self.rounds(&mut question, policy, false, shows)?;
        if matches!(sought, Ok(Some(_))) && !question.variables.polite.is_empty() {
            // Such requests exist, so some of them may be easier to read.
            if let Ok(Some(found)) = self.rounds(&mut question, policy, true, shows)? {
                return Ok(Ok(Some(found)));
            }
        }
        Ok(sought)
    }

    fn rounds(
        &mut self,
        question: &mut SolverQuestion<'_>,
        policy: &Policy,
        polite: bool,
        shows: &dyn Fn(&[ExampleRequest]) -> bool,
    ) -> Result<SoughtRequests, SolverFailure> {
        let SolverQuestion { variables, acts, ask } = question;
        for _ in 0..ROUNDS {
            let mut asked = variables.clone();
            if polite {
                asked.known.extend(variables.polite.iter().cloned());
            }
            let found = match ask {
                SolverQuery::Pair(relation, left, right) => self.solving.against(*relation, &asked, (left, right))?,
                SolverQuery::Error(applies) => self.solving.error(&asked, applies)?,
            };
            let model = match found {
                Ok(Some(model)) => model,
                Ok(None) => return Ok(Ok(None)),
                Err(untold) => return Ok(Err(untold)),
            };
            let mut requests = real::requests(policy.actions(), acts, &asked, &model);
            if let Some(found) = requests.iter().position(|operations| shows(operations)) {
                return Ok(Ok(Some(requests.swap_remove(found))));
            }
            let lesson = real::lesson(acts, &asked, &model, &requests);
            if !lesson.is_some_and(|lesson| variables.learn(lesson)) {
                break;
            }
        }
        Ok(Err(UNREAL.to_owned()))
    }
}
