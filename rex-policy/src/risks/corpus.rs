//! The bad outcomes, each with the requests that would bring it about.

use rex_core::action::{fs, net, process, service, sys};
use rex_core::{Action, ActionSpec};

use super::RiskSeverity::{self, Critical, High, Medium};

/// A bad outcome that a policy can allow.
#[derive(Debug)]
pub struct Risk {
    /// The name, which does not change.
    pub name: &'static str,
    /// The severity.
    pub severity: RiskSeverity,
    /// The outcome in words: `read the password hashes of all accounts`.
    pub title: &'static str,
    /// The reason why it is bad.
    pub why: &'static str,
    pub(super) acts: &'static [RiskPattern],
}

/// Requests that bring the outcome about; one of them is enough.
#[derive(Debug, Clone, Copy)]
pub(super) struct RiskPattern {
    /// Actions, each of which brings it about.
    pub(super) actions: &'static [&'static ActionSpec],
    /// Ids that are tried whatever the policy says.
    pub(super) ids: &'static [&'static str],
    /// Globs for other ids that a policy names: `*` is a part between slashes, `**` any number of them.
    pub(super) like: &'static [&'static str],
    /// Paths below the home directories that a policy names.
    pub(super) below: &'static [&'static str],
    /// Essential facts about the action and attributes of the resource, with the values of which one is enough.
    pub(super) facts: &'static [(&'static str, &'static [RiskValue])],
}

/// The value of a fact or an attribute.
#[derive(Debug, Clone, Copy)]
pub(super) enum RiskValue {
    Text(&'static str),
    Number(i64),
}

use RiskValue::{Number, Text};

pub(super) const ANY: RiskPattern = RiskPattern { actions: &[], ids: &[], like: &[], below: &[], facts: &[] };
/// Actions that write to a file, or put a link in its place.
const WRITE: &[&ActionSpec] = &[fs::Write::SPEC, fs::Append::SPEC, fs::Symlink::SPEC];
/// Actions that write a file or give it away.
const CHANGE: &[&ActionSpec] =
    &[fs::Write::SPEC, fs::Append::SPEC, fs::Symlink::SPEC, fs::Chmod::SPEC, fs::Chown::SPEC];
/// Actions that lead to the contents of a file, also by a second or another name under which it may be read.
const READ: &[&ActionSpec] = &[fs::Read::SPEC, fs::HardLink::SPEC, fs::Rename::SPEC];
/// Modes with rights for everybody.
const OPEN: (&str, &[RiskValue]) = ("mode", &[Number(0o666), Number(0o777), Number(0o644)]);
const RUN: &[&ActionSpec] = &[process::Run::SPEC];

macro_rules! risks {
    ($($name:literal $severity:ident $title:literal: $why:literal [$($act:expr),* $(,)?];)*) => {
        /// All outcomes, by severity.
        pub static RISKS: &[Risk] = &[$(Risk { name: $name, severity: $severity, title: $title, why: $why, acts: &[$($act),*] }),*];
    };
}

const fn files(
    actions: &'static [&'static ActionSpec],
    ids: &'static [&'static str],
    like: &'static [&'static str],
) -> RiskPattern {
    RiskPattern { actions, ids, like, facts: &[OPEN], ..ANY }
}

const fn of_homes(
    actions: &'static [&'static ActionSpec],
    ids: &'static [&'static str],
    like: &'static [&'static str],
    below: &'static [&'static str],
) -> RiskPattern {
    RiskPattern { actions, ids, like, below, facts: &[OPEN] }
}

risks! {
    "reads-shadow" Critical "read the password hashes of all accounts":
        "Whoever has the hashes tries passwords as fast as a machine can, and nobody sees it." [
        files(READ, &["/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/security/opasswd"], &["/etc/*shadow*", "/etc/*/shadow", "/etc/*/shadow-", "/etc/*/gshadow", "/etc/tcb/**", "/var/backups/*shadow*"]),
        RiskPattern { actions: &[fs::Chmod::SPEC], ids: &["/etc/shadow", "/etc/gshadow"], facts: &[OPEN], ..ANY },
    ];
    "reads-private-keys" Critical "read private keys":
        "A private key is an identity: of this host, of a web site, of a person. Whoever has read it has it for good." [
        files(READ,
            &["/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key", "/etc/ssl/private/ssl-cert-snakeoil.key", "/etc/rex/journal.key"],
            &["/etc/ssh/ssh_host_*_key", "/etc/ssl/private/**", "/etc/letsencrypt/**/privkey*", "/etc/pki/**/private/**", "/etc/wireguard/**", "**/*.key", "**/*.p12", "**/*.pfx", "**/*key*.pem"]),
        of_homes(READ, &["/root/.ssh/id_ed25519", "/root/.ssh/id_rsa", "/home/user/.ssh/id_ed25519", "/home/user/.ssh/id_rsa", "/root/.gnupg/secring.gpg"],
            &["**/.ssh/id_*", "**/.ssh/*_key", "**/.gnupg/**"], &[".ssh/id_ed25519", ".ssh/id_rsa"]),
    ];
    "writes-accounts" Critical "change accounts and their passwords":
        "A line more in `/etc/passwd` is another superuser." [
        files(CHANGE, &["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid"], &[]),
    ];
    "writes-sudoers" Critical "change who may become root with sudo":
        "A line in a file of sudo lets anybody run anything as root." [
        files(CHANGE, &["/etc/sudoers", "/etc/sudoers.d/x", "/etc/doas.conf", "/etc/polkit-1/rules.d/x.rules"],
            &["/etc/sudoers.d/*", "/etc/polkit-1/**", "/usr/share/polkit-1/**"]),
    ];
    "writes-cron" Critical "have commands run by cron":
        "What stands in a table of cron runs as the user that it names, root among them, and goes on after the run." [
        files(WRITE,
            &["/etc/crontab", "/etc/cron.d/x", "/etc/cron.hourly/x", "/etc/cron.daily/x", "/etc/cron.weekly/x", "/etc/cron.monthly/x", "/etc/anacrontab",
              "/var/spool/cron/crontabs/root", "/var/spool/cron/root"],
            &["/etc/cron*/*", "/var/spool/cron/**", "/var/spool/at/**"]),
    ];
    "writes-units" Critical "have commands run by the service manager":
        "A unit file, a drop-in, a generator or an init script runs what it names as root, at the next start if not before." [
        files(WRITE,
            &["/etc/systemd/system/x.service", "/etc/systemd/system/ssh.service.d/x.conf", "/lib/systemd/system/x.service", "/usr/lib/systemd/system/x.service",
              "/usr/local/lib/systemd/system/x.service", "/run/systemd/system/x.service", "/etc/init.d/x", "/etc/rc.local", "/etc/systemd/system-generators/x"],
            &["/etc/systemd/**", "/lib/systemd/**", "/usr/lib/systemd/**", "/usr/local/lib/systemd/**", "/run/systemd/**", "/etc/init.d/*", "/etc/rc*/*"]),
        of_homes(WRITE, &["/root/.config/systemd/user/x.service", "/home/user/.config/systemd/user/x.service"],
            &["**/.config/systemd/**"], &[".config/systemd/user/x.service"]),
    ];
    "writes-authorized-keys" Critical "let somebody log in over SSH":
        "A key in `authorized_keys` is a door that stays open after the run." [
        of_homes(WRITE, &["/root/.ssh/authorized_keys", "/home/user/.ssh/authorized_keys", "/root/.ssh/authorized_keys2", "/etc/ssh/authorized_keys/root"],
            &["**/.ssh/authorized_keys*", "/etc/ssh/authorized_keys*/**", "**/.ssh/rc"], &[".ssh/authorized_keys"]),
    ];
    "writes-preload" Critical "load code into every program":
        "What `ld.so.preload` names is loaded into each program that starts, those of root among them." [
        files(WRITE, &["/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d/x.conf", "/etc/ld.so.cache", "/etc/environment"], &["/etc/ld.so*", "/etc/ld.so.conf.d/*"]),
    ];
    "writes-programs" Critical "replace programs and libraries of the system":
        "Whoever runs the program next runs what was put in its place, with their own rights." [
        files(WRITE,
            &["/usr/bin/x", "/usr/sbin/x", "/bin/x", "/sbin/x", "/usr/local/bin/x", "/usr/local/sbin/x", "/usr/lib/x.so", "/lib/x.so", "/usr/lib/x86_64-linux-gnu/libc.so.6"],
            &["/usr/bin/*", "/usr/sbin/*", "/bin/*", "/sbin/*", "/usr/local/bin/*", "/usr/local/sbin/*", "/usr/lib/**", "/lib/**", "/usr/lib64/**", "/lib64/**"]),
    ];
    "writes-pam" Critical "change how logins are checked":
        "One line in `/etc/pam.d` lets anybody in without a password." [
        files(CHANGE, &["/etc/pam.d/sshd", "/etc/pam.d/common-auth", "/etc/security/access.conf"], &["/etc/pam.d/*", "/etc/security/*"]),
    ];
    "writes-devices" Critical "write to disks and to memory":
        "Below the file system there is no file that is protected." [
        files(WRITE, &["/dev/sda", "/dev/nvme0n1", "/dev/mem", "/dev/vda"], &["/dev/sd*", "/dev/nvme*", "/dev/vd*", "/dev/dm-*", "/dev/mapper/*"]),
    ];
    "reads-devices" Critical "read disks and memory":
        "Below the file system there is no file that is protected: all keys and all hashes are on the disk." [
        files(READ, &["/dev/sda", "/dev/nvme0n1", "/dev/mem", "/proc/kcore", "/dev/vda"], &["/dev/sd*", "/dev/nvme*", "/dev/vd*", "/dev/dm-*", "/dev/mapper/*", "/proc/*/mem"]),
    ];
    "sets-kernel-helpers" Critical "have the kernel start programs as root":
        "The kernel starts what `core_pattern`, `modprobe` and their like name, as root and outside of every confinement." [
        RiskPattern { actions: &[sys::SetParameter::SPEC], ids: &["kernel.core_pattern", "kernel.modprobe", "kernel.poweroff_cmd", "kernel.hotplug", "kernel.usermodehelper.bset"], ..ANY },
        files(WRITE, &["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/sys/kernel/uevent_helper", "/proc/sys/fs/binfmt_misc/register"], &["/proc/sys/fs/binfmt_misc/*"]),
    ];
    "sets-setuid" Critical "set the setuid or setgid bit":
        "A program with this bit runs with the rights of its owner, whoever starts it." [
        RiskPattern { actions: &[fs::Chmod::SPEC], ids: &["/srv/x", "/tmp/x", "/usr/local/bin/x", "/home/user/x"], like: &["/**"],
            facts: &[("mode", &[Number(0o4755), Number(0o4711), Number(0o2755), Number(0o6755), Number(0o4777)])], ..ANY },
    ];
    "runs-shell" Critical "run a shell":
        "A shell runs whatever it is told, within what a policy permits of files. It needs `@allow(\"interpreter\")` besides." [
        RiskPattern { actions: RUN, ids: &["/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash", "/bin/dash", "/usr/bin/dash", "/bin/busybox", "/usr/bin/zsh"],
            like: &["/**/sh", "/**/*ash", "/**/zsh", "/**/ksh*", "/**/fish", "/**/busybox"], ..ANY },
    ];
    "runs-as-root-tool" Critical "run a program that gives other rights":
        "`sudo`, `su`, `docker` and their like start other programs with other rights." [
        RiskPattern { actions: RUN, ids: &["/usr/bin/sudo", "/usr/bin/su", "/bin/su", "/usr/bin/pkexec", "/usr/bin/docker", "/usr/bin/nsenter", "/usr/sbin/chroot", "/usr/bin/systemd-run", "/usr/bin/doas"],
            like: &["/**/sudo", "/**/su", "/**/pkexec", "/**/docker", "/**/podman", "/**/nsenter", "/**/chroot", "/**/systemd-run", "/**/doas", "/**/unshare"], ..ANY },
    ];
    "reaches-metadata" Critical "reach the metadata service of a cloud":
        "It gives the credentials of the machine to whoever asks from it." [
        RiskPattern { actions: &[net::Connect::SPEC], ids: &["169.254.169.254"],
            facts: &[("address", &[Text("169.254.169.254")]), ("network", &[Text("metadata")]), ("port", &[Number(80)])], ..ANY },
        RiskPattern { actions: &[net::Connect::SPEC], ids: &["fd00:ec2::254"],
            facts: &[("address", &[Text("fd00:ec2::254")]), ("network", &[Text("metadata")]), ("port", &[Number(80)])], ..ANY },
        RiskPattern { actions: &[net::Connect::SPEC], ids: &["metadata.google.internal", "metadata", "instance-data"],
            facts: &[("address", &[Text("169.254.169.254")]), ("network", &[Text("metadata")]), ("port", &[Number(80)])], ..ANY },
        RiskPattern { actions: &[net::Get::SPEC, net::Put::SPEC, net::Post::SPEC, net::Head::SPEC],
            ids: &["http://169.254.169.254/latest/meta-data/", "http://169.254.169.254/", "http://[fd00:ec2::254]/latest/meta-data/", "http://metadata.google.internal/computeMetadata/v1/"],
            like: &["http://169.254.169.254/**", "http://\\[fd00:ec2::254]/**", "http://metadata.google.internal/**"], ..ANY },
    ];
    "changes-policies-of-rex" Critical "change the policies or jobs of Rex":
        "Whoever writes the policy decides what is permitted." [
        files(CHANGE, &["/etc/rex/policies/x.cedar", "/etc/rex/entities.json", "/etc/rex/jobs/x.rhai"], &["/etc/rex/**"]),
    ];
    "writes-profile" High "have commands run at logins":
        "A profile script runs with the rights of whoever logs in next, root among them." [
        files(WRITE, &["/etc/profile", "/etc/profile.d/x.sh", "/etc/bash.bashrc", "/etc/zsh/zshrc", "/etc/update-motd.d/x"], &["/etc/profile.d/*", "/etc/update-motd.d/*", "/etc/zsh/*"]),
        of_homes(WRITE, &["/root/.bashrc", "/root/.profile", "/home/user/.bashrc", "/home/user/.profile"],
            &["**/.bashrc", "**/.profile", "**/.bash_profile", "**/.zshrc", "**/.config/autostart/*"], &[".bashrc", ".profile"]),
    ];
    "writes-ssh-config" High "change who may log in over SSH":
        "`sshd_config` says how logins are checked, and which commands they start." [
        files(WRITE, &["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/x.conf", "/etc/ssh/ssh_config"], &["/etc/ssh/**"]),
    ];
    "writes-boot" High "change what is started at boot":
        "The kernel, its modules and its settings are below every check." [
        files(WRITE, &["/boot/grub/grub.cfg", "/boot/vmlinuz", "/etc/default/grub", "/etc/modules-load.d/x.conf", "/etc/modprobe.d/x.conf", "/etc/sysctl.d/x.conf", "/etc/sysctl.conf", "/etc/fstab"],
            &["/boot/**", "/etc/modules-load.d/*", "/etc/modprobe.d/*", "/etc/sysctl.d/*", "/etc/grub.d/*"]),
    ];
    "writes-hooks" High "have commands run as root by the tools of the system":
        "udev, apt, logrotate, the network and their like run what their files name, as root." [
        files(WRITE, &["/etc/udev/rules.d/x.rules", "/etc/apt/apt.conf.d/x", "/etc/logrotate.d/x", "/etc/network/if-up.d/x", "/etc/dhcp/dhclient-exit-hooks.d/x", "/etc/kernel/postinst.d/x", "/etc/NetworkManager/dispatcher.d/x"],
            &["/etc/udev/**", "/etc/apt/**", "/etc/logrotate.d/*", "/etc/network/**", "/etc/dhcp/**", "/etc/kernel/**", "/etc/NetworkManager/**", "/etc/dpkg/**"]),
    ];
    "writes-names" High "change where names lead":
        "Whoever answers for a name receives what is sent to it." [
        files(WRITE, &["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf"], &[]),
    ];
    "writes-trust" High "change which certificates are trusted":
        "Whoever signs for everybody can stand between any two." [
        files(WRITE, &["/etc/ssl/certs/ca-certificates.crt", "/usr/local/share/ca-certificates/x.crt", "/etc/apt/trusted.gpg.d/x.gpg"],
            &["/etc/ssl/certs/*", "/usr/local/share/ca-certificates/**", "/etc/pki/ca-trust/**", "/etc/apt/trusted.gpg*/**", "/etc/apt/keyrings/*"]),
    ];
    "reads-credentials" High "read passwords and tokens in files":
        "What is made for programs to log in with lets anybody in who has read it." [
        files(READ, &["/var/lib/kubelet/pki/kubelet-client-current.pem", "/run/secrets/x", "/var/run/secrets/kubernetes.io/serviceaccount/token", "/etc/rex/credentials"],
            &["/run/secrets/**", "/var/run/secrets/**", "**/.env", "**/credentials", "**/.pgpass", "**/.netrc", "**/.my.cnf", "**/kubeconfig", "/etc/kubernetes/*.conf"]),
        of_homes(READ, &["/root/.aws/credentials", "/root/.kube/config", "/root/.docker/config.json", "/root/.netrc", "/root/.pgpass", "/home/user/.aws/credentials", "/home/user/.kube/config"],
            &["**/.aws/*", "**/.kube/config", "**/.docker/config.json", "**/.config/gcloud/**", "**/.git-credentials"], &[".aws/credentials", ".kube/config", ".env"]),
    ];
    "reads-environment" High "read the environment of processes":
        "Programs are often given their passwords so." [
        RiskPattern { actions: &[process::Environ::SPEC], ids: &["4242"], ..ANY },
        files(READ, &["/proc/1/environ", "/proc/self/environ"], &["/proc/*/environ"]),
    ];
    "reads-own-secrets" High "read secrets of the environment of Rex":
        "What Rex was started with is not the script's." [
        RiskPattern { actions: &[sys::GetVariable::SPEC], ids: &["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DATABASE_URL", "PASSWORD", "API_KEY", "VAULT_TOKEN"],
            like: &["*SECRET*", "*TOKEN*", "*PASSW*", "*_KEY", "*CREDENTIAL*"], ..ANY },
    ];
    "runs-interpreter" High "run a language, or a program that runs others":
        "Such a program does whatever it is told, within what a policy permits of files. It needs `@allow(\"interpreter\")` besides." [
        RiskPattern { actions: RUN, ids: &["/usr/bin/python3", "/usr/bin/perl", "/usr/bin/ruby", "/usr/bin/node", "/usr/bin/php", "/usr/bin/lua", "/usr/bin/awk", "/usr/bin/env", "/usr/bin/find", "/usr/bin/xargs", "/usr/bin/make", "/usr/bin/vim", "/usr/bin/ssh"],
            like: &["/**/python*", "/**/perl*", "/**/ruby*", "/**/node*", "/**/php*", "/**/lua*", "/**/*awk", "/**/env", "/**/find", "/**/xargs", "/**/vim*", "/**/ssh", "/**/expect", "/**/gdb"], ..ANY },
    ];
    "connects-anywhere" High "connect to any host":
        "What can be read here can be sent there." [
        RiskPattern { actions: &[net::Connect::SPEC], ids: &["stranger.example.net", "198.51.100.7"],
            facts: &[("address", &[Text("198.51.100.7")]), ("network", &[Text("public")]), ("port", &[Number(443), Number(80), Number(25), Number(8443)])], ..ANY },
    ];
    "sends-anywhere" High "send to any site":
        "What can be read here can be sent there." [
        RiskPattern { actions: &[net::Post::SPEC, net::Put::SPEC], ids: &["https://stranger.example.net/upload", "http://stranger.example.net/", "https://198.51.100.7/x"], ..ANY },
    ];
    "ends-audit" High "end or stop the daemons that keep the records":
        "What happens next is not on record." [
        RiskPattern { actions: &[process::Signal::SPEC], ids: &["612"],
            facts: &[("signal", &[Text("KILL"), Text("TERM"), Text("STOP"), Text("INT"), Text("HUP")]), ("name", &[Text("auditd")]), ("exe", &[Text("/usr/sbin/auditd")]), ("user", &[Text("root")]), ("unit", &[Text("auditd.service")])], ..ANY },
        RiskPattern { actions: &[process::Signal::SPEC], ids: &["613"],
            facts: &[("signal", &[Text("KILL"), Text("TERM"), Text("STOP"), Text("INT")]), ("name", &[Text("systemd-journal")]), ("exe", &[Text("/usr/lib/systemd/systemd-journald")]), ("user", &[Text("root")]), ("unit", &[Text("systemd-journald.service")])], ..ANY },
        RiskPattern { actions: &[process::Signal::SPEC], ids: &["614"],
            facts: &[("signal", &[Text("KILL"), Text("TERM"), Text("STOP"), Text("INT")]), ("name", &[Text("rsyslogd")]), ("exe", &[Text("/usr/sbin/rsyslogd")]), ("user", &[Text("root"), Text("syslog")]), ("unit", &[Text("rsyslog.service")])], ..ANY },
        RiskPattern { actions: &[process::Signal::SPEC], ids: &["615"],
            facts: &[("signal", &[Text("KILL"), Text("TERM"), Text("STOP"), Text("INT")]), ("name", &[Text("rex")]), ("exe", &[Text("/usr/bin/rex")]), ("user", &[Text("root"), Text("rex")]), ("unit", &[Text("rex.service")])], ..ANY },
    ];
    "stops-guards" High "stop what guards the host":
        "Without its firewall, its audit and its door, the host is open, or closed to those who keep it." [
        RiskPattern { actions: &[service::Stop::SPEC, service::Disable::SPEC, service::Mask::SPEC],
            ids: &["sshd.service", "ssh.service", "nftables.service", "firewalld.service", "ufw.service", "iptables.service", "auditd.service", "systemd-journald.service", "rsyslog.service", "apparmor.service", "fail2ban.service"],
            like: &["ssh*", "*firewall*", "nftables*", "iptables*", "ufw*", "audit*", "*journald*", "*syslog*", "apparmor*", "fail2ban*", "falcon*", "*clamav*", "*ossec*", "*wazuh*"], ..ANY },
    ];
    "sets-kernel-parameters" High "weaken the kernel":
        "These parameters are what keeps programs apart." [
        RiskPattern { actions: &[sys::SetParameter::SPEC],
            ids: &["kernel.randomize_va_space", "kernel.yama.ptrace_scope", "kernel.kptr_restrict", "kernel.unprivileged_bpf_disabled", "fs.suid_dumpable", "fs.protected_symlinks", "net.ipv4.ip_forward", "kernel.sysrq", "kernel.modules_disabled"],
            like: &["kernel.**", "fs.**", "vm.mmap_min_addr"], ..ANY },
        files(WRITE, &["/proc/sys/kernel/randomize_va_space", "/proc/sysrq-trigger"], &["/proc/sys/**"]),
    ];
    "changes-journal-of-rex" High "change the journal of Rex":
        "What was done is not on record any more. `rex audit verify` shows the change, and not what was there." [
        files(&[fs::Write::SPEC, fs::Append::SPEC, fs::Remove::SPEC, fs::Rename::SPEC, fs::Symlink::SPEC], &["/var/log/rex/journal", "/var/log/rex/x.jsonl", "/var/log/rex/journal.jsonl"], &["/var/log/rex/**", "/var/lib/rex/**"]),
    ];
    "runs-as-root" Medium "run programs with the rights of root":
        "What a program does as root is held by nothing but its confinement. Ask for `context.user`." [
        RiskPattern { actions: RUN, ids: &["/usr/bin/id", "/bin/ls"], like: &["/**"], facts: &[("user", &[Text("root"), Text("0")])], ..ANY },
    ];
    "rewrites-logs" Medium "delete or rewrite logs":
        "What was recorded can be taken back." [
        files(&[fs::Write::SPEC, fs::Remove::SPEC, fs::Rename::SPEC, fs::Symlink::SPEC],
            &["/var/log/auth.log", "/var/log/syslog", "/var/log/wtmp", "/var/log/audit/audit.log", "/var/log/journal/x/system.journal", "/var/log/x.log"], &["/var/log/**"]),
    ];
    "reads-history" Medium "read what people typed":
        "Passwords are typed by mistake, and stay in the history." [
        of_homes(READ, &["/root/.bash_history", "/home/user/.bash_history"], &["**/.bash_history", "**/.zsh_history", "**/.psql_history", "**/.mysql_history"], &[".bash_history"]),
    ];
    "leads-inside" Medium "be led to hosts inside by the name of a host outside":
        "Whoever answers for a name says where it leads: to this machine, or to another of the same network. Ask for `context.network`." [
        RiskPattern { actions: &[net::Connect::SPEC], ids: &["stranger.example.net"], like: &["**.*"],
            facts: &[("address", &[Text("127.0.0.1")]), ("network", &[Text("loopback")]), ("port", &[Number(80), Number(443), Number(8443)])], ..ANY },
        RiskPattern { actions: &[net::Connect::SPEC], ids: &["stranger.example.net"], like: &["**.*"],
            facts: &[("address", &[Text("10.0.0.1")]), ("network", &[Text("private")]), ("port", &[Number(80), Number(443), Number(8443)])], ..ANY },
        RiskPattern { actions: &[net::Connect::SPEC], ids: &["stranger.example.net"], like: &["**.*"],
            facts: &[("address", &[Text("169.254.169.254")]), ("network", &[Text("metadata")]), ("port", &[Number(80), Number(443), Number(8443)])], ..ANY },
    ];
    "resolves-anything" Medium "ask about any name":
        "A question reaches the servers of the name's domain: what is in the name is sent there." [
        RiskPattern { actions: &[net::Resolve::SPEC], ids: &["secret.stranger.example.net"], ..ANY },
    ];
    "unmounts" Medium "take file systems away":
        "What is not mounted is not there, for anybody." [
        RiskPattern { actions: &[sys::Unmount::SPEC], ids: &["/", "/var", "/home", "/srv"], like: &["/**"], ..ANY },
    ];
    "reloads-manager" Medium "have the service manager read all unit files again":
        "What somebody has put there begins to count." [
        RiskPattern { actions: &[service::ReloadDaemon::SPEC], ids: &["default"], ..ANY },
    ];
}
