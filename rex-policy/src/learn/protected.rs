//! What is never generalised: files that hold keys and passwords, and files by which others get rights.

/// Extensions of files that hold keys.
const EXTENSIONS: [&str; 8] = ["key", "p12", "pem", "pfx", "jks", "kdbx", "keytab", "ppk"];
/// Directories that hold keys, wherever they are.
const DIRECTORIES: [&str; 4] = [".ssh", ".gnupg", "private", "secrets"];
/// How names begin that say so themselves.
const NAMES: [&str; 4] = ["id_", "shadow", "gshadow", ".env"];

/// Directories of which each file matters for itself.
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

/// What names hold that say so themselves.
const WORDS: [&str; 5] = ["authorized_keys", "credential", "passw", "secret", "token"];

/// Files that nothing else may stand for.
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

/// Whether a file stands for itself, however far all else is generalised.
pub(super) fn is_protected(path: &str) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    KNOWN.contains(&path)
        || PLACES.iter().any(|place| lies_in(path, place))
        || directory.split('/').any(|part| DIRECTORIES.contains(&part))
        || NAMES.iter().any(|start| name.starts_with(start))
        || name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
        || WORDS.iter().any(|word| name.to_ascii_lowercase().contains(word))
}

/// Whether something that is protected as a whole lies in a directory.
pub(super) fn is_above_protected(directory: &str) -> bool {
    PLACES.iter().chain(&KNOWN).any(|place| lies_in(place, directory))
}

fn lies_in(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What keeps a permit of a whole directory from what is most often protected in one.
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
