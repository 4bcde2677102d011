//! Needs of operations on files.

use rex_core::action::{fs, sys};
use rex_core::resource::Host;
use rex_core::{AbsPath, Error, Need, NeedWidth};

use super::CallNeeds;
use crate::os::{ANY_MODE, is_permission};

impl CallNeeds<'_> {
    /// Adds the needs of operations that make one file from another.
    pub(super) fn files(&mut self, name: &str) -> Result<bool, Error> {
        use NeedWidth::This;
        match name.split_once("::").unwrap_or_default() {
            ("fs", "copy") => {
                self.path(fs::Read {}, "from", This)?;
                let preserve = self.flag("preserve");
                if preserve {
                    self.path(fs::Stat {}, "from", This)?;
                }
                self.write("to", None, This)?;
                if preserve {
                    let mode = Need::new(fs::Chmod { mode: 0 }, self.args.path("to")?).with_unknown(&["mode"]);
                    self.add(mode);
                    self.owned(This)?;
                }
            }
            ("fs", "gzip") | ("fs", "zstd") | ("fs", "expand") => {
                self.path(fs::Read {}, "path", This)?;
                self.write("to", None, This)?;
            }
            ("fs", "rename") => {
                self.path(fs::Rename {}, "from", This)?;
                self.write("to", None, This)?;
            }
            ("fs", "hard_link") => {
                self.path(fs::HardLink {}, "path", This)?;
                self.write("to", None, This)?;
            }
            ("fs", "replace") => {
                self.path(fs::Read {}, "path", This)?;
                self.write("path", None, This)?;
            }
            ("fs", "diff") => {
                self.path(fs::Read {}, "old", This)?;
                self.path(fs::Read {}, "new", This)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Adds the needs of operations that change one thing in a stated way.
    pub(super) fn changes(&mut self, name: &str) -> Result<bool, Error> {
        use NeedWidth::{Below, This};
        let args = self.args;
        let width = if self.flag("recursive") { Below } else { This };
        match name.split_once("::").unwrap_or_default() {
            ("fs", "write") => self.write("path", Some(args.data("contents")?.len()), This)?,
            ("fs", "truncate") => self.write("path", usize::try_from(args.count("size")?).ok(), This)?,
            ("fs", "append") => {
                let bytes = i64::try_from(args.data("contents")?.len()).unwrap_or(i64::MAX);
                self.path(fs::Append { bytes }, "path", This)?;
            }
            ("fs", "temp_file") => {
                let directory = args.path("directory")?;
                let (prefix, suffix) = (args.text("prefix")?.to_owned(), args.text("suffix")?.to_owned());
                let bytes = i64::try_from(args.data("contents")?.len()).unwrap_or(i64::MAX);
                let name = directory
                    .join(&format!("{prefix}0{suffix}"))
                    .map_err(|error| Error::validation(error.to_string()))?;
                let width = NeedWidth::Named { directory: directory.as_str().to_owned(), prefix, suffix };
                self.add(Need::new(fs::Write { bytes }, name).with_width(width));
            }
            ("fs", "chmod") => {
                let mode = i64::from_str_radix(args.text("mode")?, 8);
                let mode = mode.map_err(|_| Error::validation("this is not a mode"))?;
                if width == Below {
                    self.path(fs::List {}, "path", Below)?;
                }
                self.path(fs::Chmod { mode }, "path", width)?;
            }
            ("fs", "chown") => self.chown(width)?,
            ("fs", "symlink") => {
                let target = args.text("target")?.to_owned();
                self.path(fs::Symlink { target }, "path", This)?;
            }
            ("fs", "xattr") => self.path(fs::GetXattr { name: args.text("name")?.to_owned() }, "path", This)?,
            ("fs", "xattrs") => self.path(fs::GetXattr { name: String::new() }, "path", This)?,
            ("fs", "set_xattr") => {
                let name = args.text("name")?.to_owned();
                if is_permission(&name) {
                    self.path(fs::Chmod { mode: ANY_MODE }, "path", This)?;
                }
                self.path(fs::SetXattr { name }, "path", This)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Adds the needs to give the new file the owner and time of another one.
    fn owned(&mut self, width: NeedWidth) -> Result<(), Error> {
        let chown = Need::new(fs::Chown { uid: 0, gid: 0 }, self.args.path("to")?);
        self.add(chown.with_width(width.clone()).with_unknown(&["uid", "gid"]));
        self.path(fs::Touch {}, "to", width)
    }

    fn chown(&mut self, width: NeedWidth) -> Result<(), Error> {
        let (mut numbers, mut unknown) = ([-1_i64; 2], Vec::new());
        for (number, name) in numbers.iter_mut().zip(["owner", "group"]) {
            match self.args.text_option(name)?.map(str::parse::<u32>) {
                None => {}
                Some(Ok(given)) => *number = given.into(),
                // A name; its number is looked up first.
                Some(Err(_)) => unknown.push(if name == "owner" { "uid" } else { "gid" }),
            }
        }
        if !unknown.is_empty() {
            self.add(Need::new(sys::Accounts {}, Host));
        }
        if width == NeedWidth::Below {
            self.path(fs::List {}, "path", NeedWidth::Below)?;
        }
        let [uid, gid] = numbers;
        let path = self.args.path("path")?;
        self.add(Need::new(fs::Chown { uid, gid }, path).with_width(width).with_unknown(&unknown));
        Ok(())
    }

    /// Adds the needs of operations that work below a directory, or above it.
    pub(super) fn trees(&mut self, name: &str) -> Result<bool, Error> {
        use NeedWidth::{Below, This};
        match name.split_once("::").unwrap_or_default() {
            ("fs", "list") => {
                self.path(fs::List {}, "path", This)?;
                if self.flag("stat") {
                    self.path(fs::Stat {}, "path", Below)?;
                }
            }
            ("fs", "find") => {
                self.path(fs::List {}, "path", Below)?;
                let by_stat = ["min_size", "max_size", "newer_than", "older_than"];
                if self.flag("one_file_system") || by_stat.iter().any(|option| self.given(option)) {
                    self.path(fs::Stat {}, "path", Below)?;
                }
            }
            ("fs", "du") | ("fs", "walk") => {
                self.path(fs::List {}, "path", Below)?;
                self.path(fs::Stat {}, "path", Below)?;
            }
            ("fs", "remove_all") => {
                self.path(fs::List {}, "path", Below)?;
                if self.flag("one_file_system") {
                    self.path(fs::Stat {}, "path", Below)?;
                }
                self.path(fs::Remove {}, "path", Below)?;
            }
            ("fs", "tar_create") => {
                self.path(fs::List {}, "dir", Below)?;
                self.path(fs::Read {}, "dir", Below)?;
                if self.flag("stat") {
                    self.path(fs::Stat {}, "dir", Below)?;
                }
                self.write("to", None, This)?;
            }
            ("fs", "tar_extract") => {
                self.path(fs::Read {}, "path", This)?;
                self.path(fs::Stat {}, "to", Below)?;
                self.path(fs::CreateDir {}, "to", Below)?;
                self.write("to", None, Below)?;
                if self.flag("preserve") {
                    self.owned(Below)?;
                }
            }
            ("fs", "create_dir") if self.flag("parents") => {
                let path = self.args.path("path")?;
                self.path(fs::Stat {}, "path", This)?;
                let above =
                    path.parents().filter_map(|above| AbsPath::parse(above).ok()).filter(|above| !above.is_root());
                for directory in above.chain([path.clone()]) {
                    self.add(Need::new(fs::CreateDir {}, directory));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
