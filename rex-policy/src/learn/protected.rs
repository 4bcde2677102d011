//! Files that are never generalized: those that hold keys and passwords, and those that give rights to others.

/// Extensions of files that hold keys.
const EXTENSIONS: [&str; 8] = ["key", "p12", "pem", "pfx", "jks", "kdbx", "keytab", "ppk"];
/// Directories that hold keys, wherever they are.
const DIRECTORIES: [&str; 4] = [".ssh", ".gnupg", "private", "secrets"];
/// Starts of names that indicate secrets.
const NAMES: [&str; 4] = ["id_", "shadow", "gshadow", ".env"];

/// Directories in which each file is protected.
const PLACES: [&str; 19] = [
    "/boot",
    "/dev",
    "/etc/NetworkManager/system-connections",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/letsencrypt",
    "/etc/pam.d",
    "/etc/pki",
    "/etc/profile.d",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers.d",
    "/etc/systemd",
    "/etc/wireguard",
    "/proc",
    "/root",
    "/sys",
    "/var/spool/cron",
];

/// Words in names that indicate secrets.
const WORDS: [&str; 5] = ["authorized_keys", "credential", "passw", "secret", "token"];

/// Files that no generalization may cover.
pub(super) const KNOWN: [&str; 14] = [
    "/etc/crontab",
    "/etc/environment",
    "/etc/group",
    "/etc/group-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/ld.so.preload",
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/profile",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/shadow.bak",
    "/etc/sudoers",
];

/// Returns whether a file is always listed by itself.
pub(super) fn is_protected(path: &str) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    KNOWN.contains(&path)
        || PLACES.iter().any(|place| lies_in(path, place))
        || directory.split('/').any(|part| DIRECTORIES.contains(&part))
        || NAMES.iter().any(|start| name.starts_with(start))
        || name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
        || WORDS.iter().any(|word| name.to_ascii_lowercase().contains(word))
}

/// Returns whether one of `PLACES` and `KNOWN` is a directory or lies in it.
pub(super) fn is_above_protected(directory: &str) -> bool {
    PLACES.iter().chain(&KNOWN).any(|place| lies_in(place, directory))
}

fn lies_in(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The exception for the most common protected files in a permit for a whole directory.
pub(super) const UNLESS: &str = "[\"key\", \"p12\", \"pem\", \"pfx\"].contains(resource.extension) || \
    resource.path like \"*/.ssh/*\" || resource.path like \"*/private/*\" || \
    resource.name like \"id_*\" || resource.name like \"shadow*\"";

#[cfg(test)]
mod tests {
    use super::is_protected;

    #[test]
    fn keys_are_protected_and_logs_are_not() {
        for path in [
            "/etc/ssl/private/a.crt",
            "/etc/ssh/sshd_config",
            "/home/a/.ssh/config",
            "/srv/tls/a.pem",
            "/srv/a.key",
            "/etc/shadow-",
            "/srv/app/.env.local",
            "/srv/app/db-password.txt",
            "/etc/ssh",
            "/srv/.key",
        ] {
            assert!(is_protected(path), "{path}");
        }
        for path in ["/", "/etc/hosts", "/etc/sshx", "/var/log/a.log", "/srv/keys.txt", "/srv/private.txt"] {
            assert!(!is_protected(path), "{path}");
        }
    }
}
