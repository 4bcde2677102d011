//! Advice on calls that were denied: one remedy names everything that the call needs.

use blake3::Hasher;
use rex_core::{Action, DeniedCall, Error, Fact, Grant, Need, Timestamp};

use crate::{Args, OpSpec, Session, needs};

impl Session<'_> {
    /// Adds the policy's remedy to the error of a call, if the call was denied something.
    pub(crate) fn advised<T>(&self, spec: &OpSpec, args: Option<&Args>, result: Result<T, Error>) -> Result<T, Error> {
        let denied = self.run.take_denials();
        let Some(args) = args.filter(|_| !denied.is_empty()) else { return result };
        let key = key(spec, args, &denied, self.run.now());
        let run_id = self.run.id();
        let general = |needs: Vec<Need>| needs.into_iter().map(|need| needs::generalized(need, run_id)).collect();
        let needs = || general(needs::of(spec, args));
        let call = || DeniedCall { operation: spec.name, denied: general(denied), needs: needs() };
        match (self.run.remedies(key, call), result) {
            (Some(help), Err(mut error)) if error.denial.is_some() => {
                if let Some(denial) = &mut error.denial {
                    denial.help = Some(help.clone());
                }
                Err(error.with_help(help))
            }
            (_, result) => result,
        }
    }

    /// Requests several actions that are performed later, once all are permitted. It continues after a denial, so that
    /// one run shows everything that a policy lacks.
    ///
    /// # Errors
    /// The first denial, or any other error. At most 64 denials.
    pub fn permit_all<A: Action>(
        &self,
        all: impl IntoIterator<Item = (A, A::Resource)>,
    ) -> Result<Vec<Grant<A>>, Error> {
        /// Maximum number of denials before it stops.
        const DENIALS: usize = 64;
        let (mut grants, mut denials) = (Vec::new(), Vec::new());
        for (action, resource) in all {
            match self.permit(action, resource) {
                Ok(grant) => grants.push(grant),
                Err(error) if error.is_fatal() || error.denial.is_none() => return Err(error),
                Err(error) => denials.push(error),
            }
            if denials.len() == DENIALS {
                break;
            }
        }
        match denials.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(grants),
        }
    }
}

/// Hashes the inputs of the advice on a call: its arguments, all facts of the denied requests, and the second, as policies may depend on
/// the time.
fn key(spec: &OpSpec, args: &Args, denied: &[Need], now: Timestamp) -> [u8; 32] {
    let mut hasher = Hasher::new();
    let mut text = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    };
    text(spec.name);
    for need in denied {
        let action = need.spec();
        for part in [action.namespace, action.name, need.resource().id(), need.via().unwrap_or_default()] {
            text(part);
        }
        let mut fact = |name: &str, fact: Fact<'_>| text(&format!("{name} {fact:?}"));
        need.action().facts(&mut |name, value| fact(name, value));
        need.resource().attributes(&mut |name, value| fact(name, value));
    }
    text(&(now.as_micros() / 1_000_000).to_string());
    args.hash(&mut hasher);
    *hasher.finalize().as_bytes()
}
