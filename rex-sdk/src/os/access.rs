//! Permission bits of files, and the bounds that they set for files made from them.

/// Permission bits with their owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileAccess {
    /// Permission bits.
    pub mode: u32,
    /// Number of the owning user.
    pub uid: u32,
    /// Number of the owning group.
    pub gid: u32,
}

/// Returns the bits of one class of users: `shift` is 6 for the owner, 3 for the group, 0 for others.
fn class(mode: u32, shift: u32) -> u32 {
    (mode >> shift) & 7
}

impl FileAccess {
    /// Returns the maximum bits of something made from this file that belongs to this user and group, so that nobody
    /// may do more with it than with the file. With `listed`, the group bits also apply to others, by an access control
    /// list.
    #[must_use]
    pub fn bound(self, uid: u32, gid: u32, listed: bool) -> u32 {
        let (owner, group, others) = (class(self.mode, 6), class(self.mode, 3), class(self.mode, 0));
        // The owner of this file is in another class of the new thing, if that has another owner.
        let everybody = if uid == self.uid { 7 } else { owner };
        let same = gid == self.gid;
        let new_group = if same && !listed { group } else { group & others };
        let new_others = if same { others } else { group & others };
        owner << 6 | (new_group & everybody) << 3 | (new_others & everybody)
    }

    /// Returns the permissions of something that is made from both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mode = self.mode & other.mode & 0o777;
        if (self.uid, self.gid) == (other.uid, other.gid) {
            return Self { mode, ..self };
        }
        let common = class(mode, 6) & class(mode, 3) & class(mode, 0);
        Self { mode: mode & 0o700 | common << 3 | common, ..self }
    }

    /// Returns the permissions of an archive's entry with this `mode`: executables stay executable, and users who may
    /// not read the archive get no rights. Setuid and setgid, which vouch for contents, are never taken from an
    /// archive.
    #[must_use]
    pub fn of_entry(self, mode: u32) -> Self {
        let readable = [3, 0].into_iter().filter(|shift| class(self.mode, *shift) & 4 != 0);
        let kept = readable.fold(0o700, |kept, shift| kept | 7 << shift);
        Self { mode: mode & kept, ..self }
    }

    /// Returns what users may learn from a directory: all if they may list it and enter it, otherwise nothing.
    #[must_use]
    pub fn of_directory(self) -> Self {
        let open = [6, 3, 0].into_iter().filter(|shift| class(self.mode, *shift) & 5 == 5);
        Self { mode: open.fold(0, |mode, shift| mode | 7 << shift), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mode: u32) -> FileAccess {
        FileAccess { mode, uid: 33, gid: 4 }
    }

    #[test]
    fn nobody_may_do_more_than_with_the_file() {
        // Every class that a user may have at the file, and at what is made from it.
        for mode in 0..0o1000 {
            for (uid, gid) in [(33, 4), (0, 4), (33, 0), (0, 0)] {
                let made = of(mode).bound(uid, gid, false);
                for (user, groups) in
                    [(33, &[][..]), (33, &[4]), (33, &[0]), (33, &[0, 4]), (7, &[]), (7, &[4]), (7, &[0]), (7, &[0, 4])]
                {
                    let may = |mode: u32, owner: u32, group: u32| match user {
                        user if user == owner => class(mode, 6),
                        _ if groups.contains(&group) => class(mode, 3),
                        _ => class(mode, 0),
                    };
                    let (before, after) = (may(mode, 33, 4), may(made, uid, gid));
                    assert_eq!(after & !before, 0, "{mode:o} {uid}:{gid} {made:o} {user} {groups:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_kept_is_kept() {
        for (mode, uid, gid, listed, expected) in [
            (0o600, 33, 4, false, 0o600),
            (0o755, 33, 4, false, 0o755),
            (0o755, 0, 0, false, 0o755),
            (0o640, 33, 4, false, 0o640),
            (0o640, 0, 4, false, 0o640),
            (0o640, 0, 0, false, 0o600),
            (0o640, 33, 4, true, 0o600),
            (0o644, 33, 4, true, 0o644),
            (0o604, 33, 0, false, 0o600),
        ] {
            assert_eq!(of(mode).bound(uid, gid, listed), expected, "{mode:o} {uid}:{gid}");
        }
    }

    #[test]
    fn an_archive_is_as_closed_as_what_is_in_it_and_the_other_way_around() {
        let root = FileAccess { mode: 0o644, uid: 0, gid: 0 };
        assert_eq!(of(0o640).and(of(0o604)).mode, 0o600);
        assert_eq!((of(0o644).and(root).mode, of(0o640).and(root).mode), (0o644, 0o600));
        assert_eq!((of(0o755).of_directory().mode, of(0o711).of_directory().mode), (0o777, 0o700));
        for (archive, entry, expected) in [
            (0o644, 0o4755, 0o755),
            (0o644, 0o600, 0o600),
            (0o600, 0o755, 0o700),
            (0o640, 0o755, 0o750),
            (0o644, 0o2711, 0o711),
        ] {
            assert_eq!(of(archive).of_entry(entry).mode, expected, "{archive:o} {entry:o}");
        }
    }
}
