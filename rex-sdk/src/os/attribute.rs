//! Extended attributes that say who may do what.

use rex_core::Grant;
use rex_core::action::fs;

use super::OsError;

/// The mode that a grant besides is for: such an attribute may give anybody anything.
pub(crate) const ANY_MODE: i64 = 0o7777;

/// Whether an attribute of this name says who may do what: access control lists, capabilities, labels. Those of users say nothing to the
/// kernel; whatever is not known to be one of them is taken for a permission.
pub(crate) fn is_permission(name: &str) -> bool {
    !name.starts_with("user.")
}

/// Refuses a change of permissions that is granted as one of an attribute alone.
pub(crate) fn demand_permission(
    grant: &Grant<fs::SetXattr>,
    permissions: Option<&Grant<fs::Chmod>>,
) -> Result<(), OsError> {
    let held =
        permissions.is_some_and(|besides| besides.resource() == grant.resource() && besides.action().mode == ANY_MODE);
    if held || !is_permission(&grant.action().name) {
        return Ok(());
    }
    Err(OsError::Refused("an attribute that says who may do what is changed with `fs::chmod` besides"))
}
