//! Units of systemd.

use rex_core::action::service;
use rex_core::{Budget, Grant};

use super::HostOs;
use crate::os::{OsError, Services, UnitStatus};

fn none<T>() -> Result<T, OsError> {
    Err(OsError::Unavailable("there is no service manager".to_owned()))
}

impl Services for HostOs {
    fn units(&self, _: Grant<service::List>, _: &Budget) -> Result<Vec<UnitStatus>, OsError> {
        none()
    }
    fn status(&self, _: Grant<service::Status>, _: &Budget) -> Result<UnitStatus, OsError> {
        none()
    }
    fn start(&self, _: Grant<service::Start>, _: &Budget) -> Result<UnitStatus, OsError> {
        none()
    }
    fn stop(&self, _: Grant<service::Stop>, _: &Budget) -> Result<UnitStatus, OsError> {
        none()
    }
    fn restart(&self, _: Grant<service::Restart>, _: &Budget) -> Result<UnitStatus, OsError> {
        none()
    }
    fn reload(&self, _: Grant<service::Reload>, _: &Budget) -> Result<UnitStatus, OsError> {
        none()
    }
}
