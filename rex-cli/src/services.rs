//! A supervisor's side of services: what a worker asks is decided again, here, where no script ever was, and then done.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use rex_core::action::service;
use rex_core::resource::{Manager, Unit};
use rex_core::{Action, Authorize, Call, Effect, Grant, Limits, MemoryJournal, Request, Run, Subject};
use rex_sdk::host::Bus;
use rex_sdk::os::{OsError, Services, UnitStatus};

use crate::load::Policies;
use crate::run::Job;
use crate::wire::{Answer, Ask, Refusal, UnitLine};

/// Whom a worker asks about services.
pub(crate) struct Asked {
    run_id: String,
    subject: Subject,
    policies: Arc<Policies>,
    authorize: OnceLock<Option<Arc<dyn Authorize>>>,
    cancel: Arc<AtomicBool>,
    limits: Limits,
    bus: Bus,
}

impl Asked {
    pub(crate) fn new(job: &Job) -> Self {
        Self {
            run_id: job.run_id.clone(),
            subject: job.subject.clone(),
            policies: job.policies.clone(),
            authorize: OnceLock::new(),
            cancel: job.cancel.clone(),
            limits: job.limits,
            bus: job.host.bus.clone(),
        }
    }

    /// Does what is asked, if the policy permits it, and says what became of it.
    pub(crate) fn answer(&self, ask: &Ask) -> Vec<u8> {
        let answer = Answer { number: ask.number, result: self.act(ask) };
        serde_json::to_vec(&answer).unwrap_or_default()
    }

    fn act(&self, ask: &Ask) -> Result<Vec<UnitLine>, Refusal> {
        // The worker's journal has the lines about it.
        let journal = Arc::new(MemoryJournal::new(0));
        // Most runs ask nothing, and need no policy here.
        let compile = || self.policies.compile().ok().map(|policy| Arc::new(policy) as Arc<dyn Authorize>);
        let none = || Refusal::Unavailable("the supervisor has no policy".to_owned());
        let authorize = self.authorize.get_or_init(compile).clone().ok_or_else(none)?;
        let run = Run::new(&self.run_id, self.subject.clone(), authorize.clone(), journal, self.limits)
            .with_cancel(self.cancel.clone());
        let unit = || Unit::parse(&ask.unit).map_err(|error| Refusal::Unavailable(error.to_string()));
        let (bus, budget) = (&self.bus, run.budget());
        let one = |status: Result<UnitStatus, OsError>| status.map(|status| vec![status]);
        let units = match &*ask.action {
            "list" => bus.units(permit(&run, &*authorize, service::List {}, Manager)?, budget),
            "status" => one(bus.status(permit(&run, &*authorize, service::Status {}, unit()?)?, budget)),
            "start" => one(bus.start(permit(&run, &*authorize, service::Start {}, unit()?)?, budget)),
            "stop" => one(bus.stop(permit(&run, &*authorize, service::Stop {}, unit()?)?, budget)),
            "restart" => one(bus.restart(permit(&run, &*authorize, service::Restart {}, unit()?)?, budget)),
            "reload" => one(bus.reload(permit(&run, &*authorize, service::Reload {}, unit()?)?, budget)),
            other => return Err(Refusal::Unavailable(format!("`{other}` is nothing that is done to services"))),
        };
        units.map(|units| units.into_iter().map(line).collect()).map_err(refusal)
    }
}

/// Asks the policy itself first, so that this holds whatever becomes of the gate.
fn permit<A: Action>(
    run: &Run,
    authorize: &dyn Authorize,
    action: A,
    resource: A::Resource,
) -> Result<Grant<A>, Refusal> {
    let denied = || Refusal::Unavailable("the supervisor finds that the policy does not permit it".to_owned());
    let request = Request { subject: run.subject(), action: &action, resource: &resource, now: run.now() };
    if authorize.decide(&request).effect != Effect::Allow {
        return Err(denied());
    }
    run.gate(Call::default()).permit(action, resource).map_err(|_| denied())
}

fn line(status: UnitStatus) -> UnitLine {
    UnitLine {
        name: status.name,
        description: status.description,
        load: status.load,
        active: status.active,
        sub: status.sub,
        main_pid: status.main_pid,
        since_us: status.since.map(|since| since.as_micros()),
    }
}

fn refusal(error: OsError) -> Refusal {
    match error {
        OsError::Alias(unit) => Refusal::Alias(unit.name().to_owned()),
        OsError::ServiceFailed(why) => Refusal::Failed(why),
        OsError::Io(error) => Refusal::System(error.raw_os_error(), error.to_string()),
        other => Refusal::Unavailable(other.to_string()),
    }
}
