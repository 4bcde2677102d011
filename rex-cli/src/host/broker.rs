//! The broker: a confined worker asks the actor, where no script ever ran; the actor decides again, and then acts. Both sides are
//! made from the table in `rex_sdk::brokered`.

use std::any::Any;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use rex_core::action::{AnyAction, fs, net, process, service, sys};
use rex_core::journal::Event;
use rex_core::resource::Unit;
use rex_core::{
    AbsPath, Action, ActionSpec, Authorize, Budget, Call, Decision, Effect, Grant, Limits, MemoryJournal, Request, Run,
    Subject, Timestamp, Value,
};
use rex_policy::Policy;
use rex_sdk::HostOs;
use rex_sdk::host::HostOptions;
// The types that the table names.
use rex_sdk::os::*;
use serde::{Deserialize, Serialize};

use super::lines::PermittedAct;
use super::link::SupervisorLink;
use super::run::RunJob;
use super::wire::{BrokerAnswer, BrokerQuestion};
use crate::load::PolicySources;

macro_rules! declare {
    ($(
        $(#[$trait_doc:meta])*
        $part:ident { $(
            $(#[$doc:meta])*
            $method:ident($action:ty $(, $arg:ident: $type:ty)*) -> $output:ty;
        )* }
    )*) => {
        /// An act that a worker asks for.
        #[derive(Debug, Serialize, Deserialize)]
        #[expect(clippy::large_enum_variant, reason = "one is made for a question, and it travels as text")]
        pub(crate) enum BrokerRequest {
            $($($method { action: $action, resource: <$action as Action>::Resource, $($arg: $type),* },)*)*
        }

        impl BrokerRequest {
            /// Returns the action that the act needs.
            fn spec(&self) -> &'static ActionSpec {
                match self {
                    $($(Self::$method { .. } => <$action as Action>::SPEC,)*)*
                }
            }

            /// Returns the record of the act.
            fn event(&self, subject: &Subject) -> Event {
                match self {
                    $($(Self::$method { action, resource, .. } => {
                        let request = Request { subject, action, resource, now: Timestamp::from_micros(0) };
                        Event::decision(&request, &Decision::allow(&[]))
                    })*)*
                }
            }

            /// Performs the act, if the policy permits it.
            fn act(self, run: &Run, authorize: &dyn Authorize, os: &HostOs) -> Result<BrokerResult, OsFailure> {
                match self {
                    $($(Self::$method { action, resource, $($arg),* } => {
                        $(besides(run, authorize, &action, &$arg)?;)*
                        let grant = permit(run, authorize, action, resource)?;
                        told($part::$method(os, grant, $($arg,)* run.budget()))
                    })*)*
                }
            }
        }

        $(
            impl $part for SupervisorLink { $(
                fn $method(
                    &self,
                    grant: Grant<$action>,
                    $($arg: $type,)*
                    budget: &Budget,
                ) -> Result<$output, OsError> {
                    let (action, resource) = (grant.action().clone(), grant.resource().clone());
                    self.ask(BrokerRequest::$method { action, resource, $($arg),* }, budget)
                }
            )* }
        )*
    };
}

rex_sdk::brokered!(declare);

impl BrokerRequest {
    /// Checks that a record of the journal is about exactly this act: nothing is performed that is not on record.
    pub(crate) fn is_recorded_as(&self, subject: &Subject, line: &PermittedAct) -> bool {
        let Event::Decision { action, resource, attributes, context, .. } = self.event(subject) else { return false };
        let json = |facts: Vec<(&'static str, Value)>| {
            let entry =
                |(name, value): (&str, Value)| (name.to_owned(), serde_json::to_value(value).unwrap_or_default());
            serde_json::Value::Object(facts.into_iter().map(entry).collect())
        };
        // Facts do not tell these apart; the name of the operation does.
        let operation = match self {
            Self::mask { masked, .. } => line.operation.ends_with("::unmask") != *masked,
            Self::try_restart { .. } => line.operation.ends_with("::try_restart"),
            _ => true,
        };
        line.action == action.to_string()
            && line.resource == resource
            && line.attributes == json(attributes)
            && line.context == json(context)
            && operation
    }
}

/// The actor's state of a run.
pub(crate) struct BrokerState {
    run_id: String,
    subject: Subject,
    policies: Arc<PolicySources>,
    ready: OnceLock<Option<(Arc<Policy>, HostOs)>>,
    cancel: Arc<AtomicBool>,
    limits: Limits,
    host: HostOptions,
    only_reads: bool,
}

impl BrokerState {
    pub(crate) fn new(job: &RunJob) -> Self {
        Self {
            run_id: job.run_id.clone(),
            subject: job.subject.clone(),
            policies: job.policies.clone(),
            ready: OnceLock::new(),
            cancel: job.cancel.clone(),
            limits: job.limits,
            host: job.host.clone(),
            only_reads: job.is_plan(),
        }
    }

    /// Performs an act if the policy permits it; returns the answer and its descriptor.
    pub(crate) fn answer(&self, question: BrokerQuestion) -> (Vec<u8>, Option<OwnedFd>) {
        let (result, descriptor) = match self.act(question.ask) {
            Ok((value, descriptor)) => (Ok(value), descriptor),
            Err(refusal) => (Err(refusal), None),
        };
        let answer = BrokerAnswer { number: question.number, result };
        (serde_json::to_vec(&answer).unwrap_or_default(), descriptor)
    }

    fn act(&self, ask: BrokerRequest) -> Result<BrokerResult, OsFailure> {
        if self.only_reads && ask.spec().has_effect() {
            return Err(OsFailure::Unavailable("a plan does nothing".to_owned()));
        }
        // Compiled at the first question: most runs ask none.
        let ready = self.ready.get_or_init(|| {
            let policy = self.policies.compile().ok()?;
            let reach = policy.reach(Some(&self.subject.principal));
            Some((Arc::new(policy), HostOs::new(self.host.clone()).with_programs(reach)))
        });
        let Some((policy, os)) = ready else {
            return Err(OsFailure::Unavailable("the actor has no policy".to_owned()));
        };
        // The worker's journal has the records of the act.
        let journal = Arc::new(MemoryJournal::new(0));
        let run = Run::new(&self.run_id, self.subject.clone(), policy.clone(), journal, self.limits)
            .with_cancel(self.cancel.clone());
        ask.act(&run, &**policy, os)
    }
}

/// Returns the grant. Asks the policy directly first, so as not to rely on the gate alone.
fn permit<A: Action>(
    run: &Run,
    authorize: &dyn Authorize,
    action: A,
    resource: A::Resource,
) -> Result<Grant<A>, OsFailure> {
    let denied = || OsFailure::Unavailable("the actor's check found that the policy does not permit it".to_owned());
    let request = Request { subject: run.subject(), action: &action, resource: &resource, now: run.now() };
    if authorize.decide(&request).effect != Effect::Allow {
        return Err(denied());
    }
    run.gate(Call::default()).permit(action, resource).map_err(|_| denied())
}

/// Checks the other units in an argument, too: the act may affect them.
fn besides(run: &Run, authorize: &dyn Authorize, action: &dyn AnyAction, argument: &dyn Any) -> Result<(), OsFailure> {
    let Some(units) = argument.downcast_ref::<Vec<Unit>>() else { return Ok(()) };
    let permitted = |unit: &Unit| {
        let request = Request { subject: run.subject(), action, resource: unit, now: run.now() };
        authorize.decide(&request).effect == Effect::Allow
    };
    if units.iter().all(permitted) {
        return Ok(());
    }
    Err(OsFailure::Unavailable(
        "the actor's check found that the policy does not permit everything that it reaches".to_owned(),
    ))
}

/// The result of an act as JSON, and the descriptor of a connection or an open file.
type BrokerResult = (serde_json::Value, Option<OwnedFd>);

fn told<T: Serialize + 'static>(result: Result<T, OsError>) -> Result<BrokerResult, OsFailure> {
    let mut done = result.map_err(OsFailure::from)?;
    let any = &mut done as &mut dyn Any;
    let descriptor = if let Some(connection) = any.downcast_mut::<Connection>() {
        connection.stream.take().and_then(|stream| stream.into_descriptor())
    } else {
        any.downcast_mut::<OpenDescriptor>().and_then(|opened| opened.descriptor.take())
    };
    let value =
        serde_json::to_value(done).map_err(|_| OsFailure::Unavailable("the result cannot be encoded".to_owned()))?;
    Ok((value, descriptor))
}

#[cfg(test)]
mod tests {
    use rex_core::Principal;
    use rex_policy::SourceText;
    use serde_json::json;

    use super::*;

    /// Simulates a compromised worker that adds units which the policy does not permit.
    #[test]
    fn what_an_act_reaches_is_decided_again() {
        let text = "@id(\"a\") permit (principal, action == service::Action::\"enable\", resource == service::Unit::\"a.service\");";
        let asked = BrokerState {
            run_id: "test".to_owned(),
            subject: Subject::new(Principal::agent("test")),
            policies: Arc::new(PolicySources {
                sources: vec![SourceText { name: "test.cedar".to_owned(), text: text.to_owned() }],
                entities: None,
            }),
            ready: OnceLock::new(),
            cancel: Arc::default(),
            limits: Limits::default(),
            // No bus listens there: an act that the policy permits fails with this address.
            host: HostOptions {
                bus: rex_sdk::host::BusAddress::Address("unix:path=/nowhere".to_owned()),
                ..HostOptions::default()
            },
            only_reads: false,
        };
        let unit = |name: &str| Unit::parse(name).unwrap();
        let why = |also: Vec<Unit>| {
            let ask = BrokerRequest::enable { action: service::Enable {}, resource: unit("a"), also };
            format!("{:?}", asked.act(ask).unwrap_err())
        };
        assert!(why(vec![unit("a"), unit("secret")]).contains("does not permit everything that it reaches"));
        assert!(why(vec![unit("a")]).contains("/nowhere"));
    }

    #[test]
    fn a_question_is_held_to_its_record() {
        let subject = Subject::new(Principal::agent("test"));
        let parameter = |value: &str| {
            let ask = json!({"set_parameter": {"action": [value], "resource": "net.ipv4.ip_forward"}});
            BrokerRequest::deserialize(&ask).unwrap()
        };
        let recorded = |ask: &BrokerRequest, operation: &str| {
            let Event::Decision { action, resource, attributes, context, .. } = ask.event(&subject) else { panic!() };
            let json = |facts: Vec<(&'static str, Value)>| {
                serde_json::to_value(facts.into_iter().collect::<BTreeMap<_, _>>()).unwrap()
            };
            PermittedAct {
                operation: operation.to_owned(),
                action: action.to_string(),
                resource,
                attributes: json(attributes),
                context: json(context),
            }
        };
        let line = recorded(&parameter("0"), "");
        assert!(parameter("0").is_recorded_as(&subject, &line));
        assert!(!parameter("1").is_recorded_as(&subject, &line));
        let mask = |masked: bool| {
            BrokerRequest::deserialize(
                &json!({"mask": {"action": null, "resource": "nginx.service", "masked": masked}}),
            )
            .unwrap()
        };
        let line = recorded(&mask(true), "");
        assert!(mask(true).is_recorded_as(&subject, &line) && !mask(false).is_recorded_as(&subject, &line));
    }

    #[test]
    fn whoever_acts_for_a_plan_does_nothing() {
        let text = "@id(\"all\") permit (principal, action, resource);".to_owned();
        let source = SourceText { name: "test.cedar".to_owned(), text };
        let asked = |only_reads| BrokerState {
            run_id: "test".to_owned(),
            subject: Subject::new(Principal::agent("test")),
            policies: Arc::new(PolicySources { sources: vec![source.clone()], entities: None }),
            ready: OnceLock::new(),
            cancel: Arc::default(),
            limits: Limits::default(),
            host: HostOptions::default(),
            only_reads,
        };
        // No process has this id and this name, so no signal is sent in either case.
        let signal = json!({"signal": {"action": ["CONT"], "resource": [1, "no such process", ["", "", ""], 0]}});
        let why = |only_reads, ask: &serde_json::Value| match asked(only_reads)
            .act(BrokerRequest::deserialize(ask).unwrap())
        {
            Err(refusal) => format!("{refusal:?}"),
            Ok((value, _)) => value.to_string(),
        };
        assert_eq!(why(true, &signal), "Unavailable(\"a plan does nothing\")");
        assert_eq!(why(false, &signal), "Changed");
        let read = json!({"mounts": {"action": null, "resource": null}});
        assert!(why(true, &read).contains("/proc"));
    }
}
