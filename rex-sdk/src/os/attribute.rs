//! Extended attributes that set permissions.

use rex_core::Grant;
use rex_core::action::fs;

use super::OsError;

/// The mode of the extra grant: such an attribute may give anybody any right.
pub(crate) const ANY_MODE: i64 = 0o7777;

/// Checks whether an attribute of this name sets permissions: access control lists, capabilities, labels. The kernel
/// ignores those in `user.`; every other attribute counts as a permission.
pub(crate) fn is_permission(name: &str) -> bool {
    !name.starts_with("user.")
}

/// Refuses a change of permissions that has only the grant for an attribute.
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
