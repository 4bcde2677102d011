//! A supervisor's side of services: what a worker asks is decided again, here, where no script ever was, and then done.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rex_core::action::service;
use rex_core::resource::{Manager, Unit};
use rex_core::{Action, Authorize, Call, Effect, Grant, Limits, MemoryJournal, Request, Run, Subject};
use rex_sdk::host::Bus;
use rex_sdk::os::{OsError, Services, UnitStatus};

use crate::run::Job;
use crate::wire::{Answer, Ask, Refusal, UnitLine};

/// Whom a worker asks about services.
pub(crate) struct Asked {
    run_id: String,
    subject: Subject,
    authorize: Arc<dyn Authorize>,
    cancel: Arc<AtomicBool>,
    limits: Limits,
    bus: Bus,
}

impl Asked {
    pub(crate) fn new(job: &Job) -> Self {
        let input = &job.input;
        Self {
            run_id: input.run_id.clone(),
            subject: Subject {
                principal: input.principal.clone(),
                script: rex_engine::script_sha256(&job.script.text),
                tags: input.tags.clone(),
            },
            authorize: input.authorize.clone(),
            cancel: input.cancel.clone(),
            limits: job.limits,
            bus: job.host.bus.clone(),
        }
    }

    /// Does what is asked, if the policy permits it, and says what became of it.
    pub(crate) fn answer(&self, ask: &[u8]) -> Vec<u8> {
        let answer = match serde_json::from_slice::<Ask>(ask) {
            Ok(ask) => Answer { number: ask.number, result: self.act(&ask) },
            Err(_) => Answer { number: 0, result: Err(Refusal::Unavailable("that is not a question".to_owned())) },
        };
        serde_json::to_vec(&answer).unwrap_or_default()
    }

    fn act(&self, ask: &Ask) -> Result<Vec<UnitLine>, Refusal> {
        // The worker's journal has the lines about it.
        let journal = Arc::new(MemoryJournal::new(0));
        let run = Run::new(&self.run_id, self.subject.clone(), self.authorize.clone(), journal, self.limits)
            .with_cancel(self.cancel.clone());
        let unit = || Unit::parse(&ask.unit).map_err(|error| Refusal::Unavailable(error.to_string()));
        let (bus, budget) = (&self.bus, run.budget());
        let one = |status: Result<UnitStatus, OsError>| status.map(|status| vec![status]);
        let units = match &*ask.action {
            "list" => bus.units(permit(&run, &*self.authorize, service::List {}, Manager)?, budget),
            "status" => one(bus.status(permit(&run, &*self.authorize, service::Status {}, unit()?)?, budget)),
            "start" => one(bus.start(permit(&run, &*self.authorize, service::Start {}, unit()?)?, budget)),
            "stop" => one(bus.stop(permit(&run, &*self.authorize, service::Stop {}, unit()?)?, budget)),
            "restart" => one(bus.restart(permit(&run, &*self.authorize, service::Restart {}, unit()?)?, budget)),
            "reload" => one(bus.reload(permit(&run, &*self.authorize, service::Reload {}, unit()?)?, budget)),
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
