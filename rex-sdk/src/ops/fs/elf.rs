//! `fs::elf`

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, NoteIterator, ProgramHeader, SectionHeader};
use object::{Endianness, FileKind, read};
use rex_core::action::fs;
use rex_core::{Action, Budget, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Maximum length of a returned name or identifier, in bytes. Longer ones are cut off.
const NAME_BYTES: usize = 256;
/// Maximum number of returned libraries, and of returned sections.
const MAX_PARTS: usize = rex_core::bounds::ELF_PARTS;

/// Describes an ELF file: its type, dependencies and sections.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::elf",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[Param::required("path", ParamKind::Path, "The file.")],
        returns: ReturnSpec {
            kind: "map",
            doc: "`type`: `executable`, `shared` (a library, or an executable with `pie`), `relocatable`, `core`, or its number; `pie`: whether it is \
                  an executable that runs at any address; `machine`: `x86-64`, `aarch64`, ..., or its number; `bits`; `endianness`; `entry`: the address in \
                  hexadecimal; `interpreter`, `soname`, `rpath`, `runpath`, each `()` if there is none; `needed`: the libraries; `build_id` in \
                  hexadecimal, or `()`; `stripped`: whether it has no table of symbols; `sections`: a list of maps with `name`, `size` in \
                  bytes, and `flags` (`a` for loaded, `w` for writable, `x` for executable); `truncated`: whether there are more libraries or sections than 4096.",
        },
        doc: "Tells what an ELF file is, needs and consists of.\nNames longer than 256 bytes are cut off, and what is not UTF-8 is replaced.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/opt/tool/bin/tool"]"#,
            returns: r#"{"bits":64,"build_id":null,"endianness":"little","entry":"0x401000","interpreter":null,"machine":"x86-64","needed":[],"pie":false,"rpath":null,"runpath":null,"sections":[],"soname":null,"stripped":true,"truncated":false,"type":"executable"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    let bytes = session.open(path.clone())?.read_all()?;
    let shown = path.as_str().escape_debug();
    let budget = session.run.budget();
    let told = match FileKind::parse(bytes.as_slice()) {
        Ok(FileKind::Elf32) => ElfFile::<FileHeader32<Endianness>>::parse(&bytes).map(|elf| elf.tell(budget)),
        Ok(FileKind::Elf64) => ElfFile::<FileHeader64<Endianness>>::parse(&bytes).map(|elf| elf.tell(budget)),
        _ => return Err(Error::new(Code::Unsupported, format!("`{shown}` is not an ELF file"))),
    };
    told.map_err(|_| Error::new(Code::Io, format!("`{shown}` is a damaged ELF file: a table lies outside of it")))?
}

/// An ELF file with its headers.
struct ElfFile<'d, H: FileHeader> {
    data: &'d [u8],
    header: &'d H,
    endian: H::Endian,
    segments: &'d [H::ProgramHeader],
    sections: &'d [H::SectionHeader],
}

/// Data for the dynamic linker.
#[derive(Default)]
struct DynamicSection {
    needed: Vec<Value>,
    soname: Option<String>,
    rpath: Option<String>,
    runpath: Option<String>,
    pie: bool,
    truncated: bool,
}

impl<'d, H: FileHeader<Endian = Endianness>> ElfFile<'d, H> {
    fn parse(data: &'d [u8]) -> read::Result<Self> {
        let header = H::parse(data)?;
        let endian = header.endian()?;
        let segments = header.program_headers(endian, data)?;
        let sections = header.section_headers(endian, data)?;
        Ok(Self { data, header, endian, segments, sections })
    }

    fn tell(&self, budget: &Budget) -> Result<Value, Error> {
        let interpreter = self.segment(elf::PT_INTERP).map(|path| name(path, 0));
        let linked = self.linked(budget)?;
        let (kind, shared) = match self.header.e_type(self.endian) {
            elf::ET_EXEC => ("executable".to_owned(), false),
            elf::ET_DYN => ("shared".to_owned(), true),
            elf::ET_REL => ("relocatable".to_owned(), false),
            elf::ET_CORE => ("core".to_owned(), false),
            other => (other.to_string(), false),
        };
        let symbols = self.sections.iter().any(|section| section.sh_type(self.endian) == elf::SHT_SYMTAB);
        Ok(Value::map([
            ("type", kind.into()),
            // Old linkers set no flag, but only libraries have a `soname`.
            ("pie", (shared && (linked.pie || (interpreter.is_some() && linked.soname.is_none()))).into()),
            ("machine", machine(self.header.e_machine(self.endian)).into()),
            ("bits", Value::Int(if self.header.is_class_64() { 64 } else { 32 })),
            ("endianness", if self.header.is_little_endian() { "little" } else { "big" }.into()),
            ("entry", format!("{:#x}", self.header.e_entry(self.endian).into()).into()),
            ("interpreter", interpreter.into()),
            ("needed", Value::List(linked.needed)),
            ("soname", linked.soname.into()),
            ("rpath", linked.rpath.into()),
            ("runpath", linked.runpath.into()),
            ("build_id", self.build_id(budget)?.into()),
            ("stripped", (!symbols).into()),
            ("sections", Value::List(self.described(budget)?)),
            ("truncated", (linked.truncated || self.sections.len() > MAX_PARTS).into()),
        ]))
    }

    /// Returns the contents of the first segment of a type.
    fn segment(&self, kind: u32) -> Option<&'d [u8]> {
        let segment = self.segments.iter().find(|segment| segment.p_type(self.endian) == kind)?;
        segment.data(self.endian, self.data).ok()
    }

    fn linked(&self, budget: &Budget) -> Result<DynamicSection, Error> {
        let mut linked = DynamicSection::default();
        let found = self.segments.iter().find_map(|segment| segment.dynamic(self.endian, self.data).ok().flatten());
        let entries: &[_] = found.unwrap_or_default();
        let value =
            |tag: i64| entries.iter().find(|entry| entry.tag(self.endian) == tag).map(|entry| entry.val(self.endian));
        let strings =
            value(elf::DT_STRTAB).zip(value(elf::DT_STRSZ)).and_then(|(address, size)| self.loaded(address, size));
        for entry in entries {
            budget.check()?;
            let value = entry.val(self.endian);
            let text = || strings.map(|strings| name(strings, value));
            match entry.tag(self.endian) {
                elf::DT_NULL => break,
                elf::DT_NEEDED if linked.needed.len() < MAX_PARTS => linked.needed.push(text().into()),
                elf::DT_NEEDED => linked.truncated = true,
                elf::DT_SONAME => linked.soname = text(),
                elf::DT_RPATH => linked.rpath = text(),
                elf::DT_RUNPATH => linked.runpath = text(),
                elf::DT_FLAGS_1 => linked.pie = value & u64::from(elf::DF_1_PIE) != 0,
                _ => {}
            }
        }
        Ok(linked)
    }

    /// Returns the data at a memory address of the loaded file.
    fn loaded(&self, address: u64, size: u64) -> Option<&'d [u8]> {
        let mut loaded = self.segments.iter().filter(|segment| segment.p_type(self.endian) == elf::PT_LOAD);
        loaded.find_map(|segment| segment.data_range(self.endian, self.data, address, size).ok().flatten())
    }

    /// Returns the build id from the loaded notes, or else from the sections, as in a file that is not linked yet.
    fn build_id(&self, budget: &Budget) -> Result<Option<String>, Error> {
        let loaded = self.segments.iter().filter_map(|segment| segment.notes(self.endian, self.data).ok().flatten());
        let linked = self.sections.iter().filter_map(|section| section.notes(self.endian, self.data).ok().flatten());
        for notes in loaded.chain(linked) {
            if let Some(id) = self.build_id_of(notes, budget)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn build_id_of(&self, mut notes: NoteIterator<'d, H>, budget: &Budget) -> Result<Option<String>, Error> {
        while let Ok(Some(note)) = notes.next() {
            budget.check()?;
            if note.name() == elf::ELF_NOTE_GNU && note.n_type(self.endian) == elf::NT_GNU_BUILD_ID {
                return Ok(Some(note.desc().iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect()));
            }
        }
        Ok(None)
    }

    fn described(&self, budget: &Budget) -> Result<Vec<Value>, Error> {
        let index = self.header.section_strings_index(self.endian, self.data).ok();
        let strings = index
            .and_then(|index| self.sections.get(index.0))
            .and_then(|section| section.data(self.endian, self.data).ok())
            .unwrap_or_default();
        let describe = |section: &H::SectionHeader| {
            budget.check()?;
            let set = section.sh_flags(self.endian).into();
            let flags = [(elf::SHF_ALLOC, 'a'), (elf::SHF_WRITE, 'w'), (elf::SHF_EXECINSTR, 'x')];
            let flags: String =
                flags.into_iter().filter(|(flag, _)| set & u64::from(*flag) != 0).map(|(_, letter)| letter).collect();
            Ok(Value::map([
                ("name", name(strings, section.sh_name(self.endian).into()).into()),
                ("size", Value::count(section.sh_size(self.endian).into())),
                ("flags", flags.into()),
            ]))
        };
        // The first section is empty.
        self.sections.iter().skip(1).take(MAX_PARTS).map(describe).collect()
    }
}

/// Returns the name that starts at an offset of a table, up to its NUL byte.
fn name(table: &[u8], offset: u64) -> String {
    let rest = usize::try_from(offset).ok().and_then(|offset| table.get(offset..)).unwrap_or_default();
    let rest = rest.get(..NAME_BYTES).unwrap_or(rest);
    String::from_utf8_lossy(rest.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}

fn machine(number: u16) -> String {
    match number {
        elf::EM_386 => "i386",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_ARM => "arm",
        elf::EM_BPF => "bpf",
        elf::EM_LOONGARCH => "loongarch",
        elf::EM_MIPS => "mips",
        elf::EM_PPC => "ppc",
        elf::EM_PPC64 => "ppc64",
        elf::EM_RISCV => "riscv",
        elf::EM_S390 => "s390",
        elf::EM_X86_64 => "x86-64",
        other => return other.to_string(),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    /// Returns a library as a linker makes it, as small as possible.
    fn library() -> Vec<u8> {
        fn words(words: &[u64]) -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        }
        let strings = b"\0libc.so.6\0libm.so.6\0libtool.so.1\0/opt/lib\0";
        let names = b"\0.interp\0.text\0.symtab\0.shstrtab\0";
        let mut body = b"/lib/ld.so\0\0\0\0\0\0".to_vec();
        let mut parts = vec![(0, 11)];
        for part in [
            // Sizes of name and contents, type, "GNU", and the identifier.
            b"\x04\0\0\0\x04\0\0\0\x03\0\0\0GNU\0\xde\xad\xbe\xef\0\0\0\0".to_vec(),
            words(&[1, 1, 1, 11, 14, 21, 29, 34, 5, 0, 10, strings.len() as u64, 0x6fff_fffb, 0x0800_0000, 0, 0]),
            strings.to_vec(),
            names.to_vec(),
        ] {
            parts.push((body.len() as u64, part.len() as u64));
            body.extend(part);
        }
        // The address of the strings is their position in the file; it is entry 4 of the dynamic section.
        let start = 64 + 4 * 56;
        let at = parts[2].0 as usize + 4 * 16 + 8;
        body[at..at + 8].copy_from_slice(&(start + parts[3].0).to_le_bytes());
        let sections = start + body.len() as u64;
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
        file.extend(words(&[0x1000, 64, sections]));
        file.extend(b"\0\0\0\0\x40\0\x38\0\x04\0\x40\0\x05\0\x04\0");
        let all = (0, sections - start);
        for (kind, (offset, size)) in [(3, parts[0]), (4, parts[1]), (2, parts[2]), (1, all)] {
            let at = if kind == 1 { 0 } else { start + offset };
            let size = if kind == 1 { sections } else { size };
            file.extend(words(&[kind | 4 << 32, at, at, at, size, size, 4]));
        }
        file.extend(body);
        let header = |name: u64, kind: u64, flags: u64, (offset, size): (u64, u64)| {
            words(&[name | kind << 32, flags, 0, start + offset, size, 0, 1, 0])
        };
        file.extend(header(0, 0, 0, (0, 0)));
        file.extend(header(1, 1, 2, parts[0]));
        file.extend(header(9, 1, 6, (0, 0)));
        file.extend(header(15, 2, 0, (0, 0)));
        file.extend(header(23, 3, 0, parts[4]));
        file
    }

    #[test]
    fn what_a_linker_wrote_is_told() {
        let world = World::new(MemOs::new().file("/f", library()));
        let expected = concat!(
            r#"{"bits":64,"build_id":"deadbeef","endianness":"little","entry":"0x1000","interpreter":"/lib/ld.so","machine":"x86-64","#,
            r#""needed":["libc.so.6","libm.so.6"],"pie":true,"rpath":null,"runpath":"/opt/lib","#,
            r#""sections":[{"flags":"a","name":".interp","size":11},{"flags":"ax","name":".text","size":0},{"flags":"","name":".symtab","size":0},"#,
            r#"{"flags":"","name":".shstrtab","size":33}],"soname":"libtool.so.1","stripped":false,"truncated":false,"type":"shared"}"#,
        );
        assert_eq!(world.returns("fs::elf", r#"["/f"]"#), expected);
    }

    #[test]
    fn what_is_no_elf_file_or_a_part_of_one_is_refused() {
        let mut large = library();
        // More sections than fit into the file.
        large[60] = 255;
        let os =
            MemOs::new().file("/text", "text").file("/empty", "").file("/cut", &library()[..300]).file("/large", large);
        let world = World::new(os);
        for (name, code) in
            [("/text", Code::Unsupported), ("/empty", Code::Unsupported), ("/cut", Code::Io), ("/large", Code::Io)]
        {
            assert_eq!(world.fails("fs::elf", &format!("[\"{name}\"]")), code, "{name}");
        }
    }

    #[test]
    fn names_and_their_number_are_bounded() {
        let mut file = library();
        let headers = file.len() - 5 * 64;
        let text = file[headers + 2 * 64..headers + 3 * 64].to_vec();
        // Every section has the same name, which ends only with the file.
        let start = file.len() as u64;
        file.extend(vec![b'x'; 10_000]);
        let table = file.len() as u64;
        let strings = [3 << 32, 0, 0, start, 10_000, 0, 1, 0_u64].map(u64::to_le_bytes).concat();
        file.extend([&[0; 64], strings.as_slice(), &text.repeat(5_000)].concat());
        file[40..48].copy_from_slice(&table.to_le_bytes());
        file[60..62].copy_from_slice(&5_002_u16.to_le_bytes());
        file[62..64].copy_from_slice(&1_u16.to_le_bytes());
        let world = World::new(MemOs::new().file("/f", file));
        let value = world.call("fs::elf", r#"["/f"]"#).unwrap();
        let Some(Value::List(sections)) = value.get("sections") else { panic!("{value}") };
        assert_eq!((sections.len(), value.get("truncated")), (MAX_PARTS, Some(&true.into())));
        assert_eq!(sections[9].get("name"), Some(&"x".repeat(NAME_BYTES).into()));
        assert_eq!((name(b"ab\0c", 1), name(b"ab", 9)), ("b".to_owned(), String::new()));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_hostile(
            changes in proptest::collection::vec((0_usize..900, any::<u8>()), 0..12),
            end in 0_usize..1_200,
        ) {
            let mut file = library();
            for (at, byte) in changes {
                if let Some(old) = file.get_mut(at) {
                    *old = byte;
                }
            }
            file.truncate(end);
            let result = World::new(MemOs::new().file("/f", file)).call("fs::elf", r#"["/f"]"#);
            // A panic would be an internal error.
            prop_assert!(result.map_or_else(
                |error| matches!(error.code, Code::Io | Code::Unsupported),
                |value| value.get("needed").is_some(),
            ));
        }
    }
}
