//! Mutants: changes of a policy that some case should notice.

use std::sync::{Arc, Mutex, PoisonError};

use rex_core::{Authorize, Decision, Request};
use rex_policy::{CaseQuestion, CaseScript, Mutant, Policy, RequestValues};

use super::{Case, TestedCase, ran};
use crate::exit::Stop;

/// The results of the mutants of a policy.
pub(super) struct MutantResults {
    /// All mutants, in the order of the policies.
    pub(super) all: Vec<Mutant>,
    /// The mutants that no case notices, in the same order.
    pub(super) survived: Vec<Mutant>,
}

impl MutantResults {
    /// Tries each mutant with each case that can notice it.
    pub(super) fn of(policy: &Arc<Policy>, cases: &[TestedCase]) -> Result<Self, Stop> {
        let all = policy.mutants();
        let mut asked = Vec::new();
        for tested in cases {
            asked.push(ObservedCase::new(policy, &tested.case, &all)?);
        }
        // Requests first: they take less time than scripts.
        asked.sort_by_key(|asked| matches!(asked, ObservedCase::Script { .. }));
        let mut survived = Vec::new();
        for (number, mutant) in all.iter().enumerate() {
            let mut noticed = false;
            for asked in &asked {
                noticed = noticed || asked.notices(policy, number, mutant)?;
            }
            if !noticed {
                survived.push(mutant.clone());
            }
        }
        Ok(Self { all, survived })
    }

    pub(super) fn noticed(&self) -> usize {
        self.all.len() - self.survived.len()
    }
}

/// A case, and what is needed to tell which mutants it can notice.
enum ObservedCase<'c> {
    Request {
        case: &'c Case,
        seen: RequestValues<'c>,
    },
    Script {
        case: &'c Case,
        script: &'c CaseScript,
        /// `true` for each mutant that changes a policy which a request of the script meets.
        concerned: Vec<bool>,
    },
}

impl<'c> ObservedCase<'c> {
    fn new(policy: &'c Arc<Policy>, case: &'c Case, mutants: &[Mutant]) -> Result<Self, Stop> {
        Ok(match &case.question {
            CaseQuestion::Request(asked) => Self::Request { case, seen: policy.see(&asked.request()) },
            CaseQuestion::Script(script) => {
                let concerned = Mutex::new(vec![false; mutants.len()]);
                let listener =
                    Arc::new(MutantListener { policy: policy.clone(), mutants: mutants.to_vec(), concerned });
                ran(case, script, policy, listener.clone())?;
                let concerned = listener.concerned.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Self::Script { case, script, concerned }
            }
        })
    }

    fn notices(&self, policy: &Arc<Policy>, number: usize, mutant: &Mutant) -> Result<bool, Stop> {
        match self {
            Self::Request { case, seen } => {
                let other = || !case.expected.differences(&seen.decision(Some(mutant))).is_empty();
                Ok(seen.concerns(mutant) && other())
            }
            Self::Script { case, script, concerned } => {
                if !concerned.get(number).copied().unwrap_or(true) {
                    return Ok(false);
                }
                let changed = Arc::new(MutatedPolicy { policy: policy.clone(), mutant: mutant.clone() });
                Ok(!ran(case, script, policy, changed)?.0.is_empty())
            }
        }
    }
}

/// The policy, which notes the mutants that its requests concern.
struct MutantListener {
    policy: Arc<Policy>,
    mutants: Vec<Mutant>,
    concerned: Mutex<Vec<bool>>,
}

impl Authorize for MutantListener {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let seen = self.policy.see(request);
        let mut concerned = self.concerned.lock().unwrap_or_else(PoisonError::into_inner);
        for (mutant, concerned) in self.mutants.iter().zip(concerned.iter_mut()) {
            *concerned = *concerned || seen.concerns(mutant);
        }
        self.policy.decide(request)
    }
}

/// The policy with one change.
struct MutatedPolicy {
    policy: Arc<Policy>,
    mutant: Mutant,
}

impl Authorize for MutatedPolicy {
    fn decide(&self, request: &Request<'_>) -> Decision {
        self.policy.see(request).decision(Some(&self.mutant))
    }
}
