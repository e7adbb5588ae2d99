//! Kernel BTF, walked once: field offsets, tracepoint and function ids, enumerators; nothing is kept but what was asked for.

use super::files::FileBytes;
use netobs_ebpf::offsets::{ABSENT, FIELD_COUNT, FIELDS, Offsets, Place};
use std::collections::{HashMap, HashSet};

/// Where the kernel shows its own types.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const INT: u8 = 1;
const PTR: u8 = 2;
const ARRAY: u8 = 3;
const STRUCT: u8 = 4;
const UNION: u8 = 5;
const ENUM: u8 = 6;
const TYPEDEF: u8 = 8;
const FUNC: u8 = 12;
const FUNC_PROTO: u8 = 13;
const ENUM64: u8 = 19;
const HEADER_LEN: usize = 24;
const MAGIC: u16 = 0xeb9f;

/// Names to look for.
#[derive(Default)]
pub struct Wanted {
    pub tracepoints: Vec<&'static str>,
    pub functions: Vec<&'static str>,
    pub enums: Vec<&'static str>,
    pub structs: Vec<&'static str>,
}

/// A tracepoint or function the kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callable {
    /// BTF type id, as `BPF_PROG_LOAD` wants it in `attach_btf_id`.
    pub id: u32,
    /// Number of arguments; a tracepoint's without its `void *__data`.
    pub args: u32,
}

/// What was found.
#[derive(Default, Debug)]
pub struct KernelTypes {
    pub offsets: Vec<u32>,
    pub tracepoints: HashMap<&'static str, Callable>,
    pub functions: HashMap<&'static str, Callable>,
    pub enums: HashMap<&'static str, Vec<(u32, String)>>,
    /// Type ids.
    pub structs: HashMap<&'static str, u32>,
}

/// Why BTF could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    #[error("read {path}: {source}")]
    Read {
        path: String,
        source: std::io::Error,
    },
    #[error("{path} is no BTF of this machine's byte order")]
    Format { path: String },
}

impl KernelTypes {
    /// Reads `path` (usually [`VMLINUX`]).
    pub fn read(path: &str, wanted: &Wanted) -> Result<Self, BtfError> {
        let bytes = FileBytes::open(path).map_err(|source| BtfError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&bytes, wanted).ok_or_else(|| BtfError::Format {
            path: path.to_owned(),
        })
    }

    /// A kernel that does not show its types.
    pub fn absent() -> Self {
        Self {
            offsets: vec![ABSENT; FIELD_COUNT],
            ..Self::default()
        }
    }

    /// What programs get to see.
    pub fn as_offsets(&self) -> Offsets {
        let words: [u32; FIELD_COUNT] = self
            .offsets
            .as_slice()
            .try_into()
            .expect("one offset per field");
        zerocopy::transmute!(words)
    }

    pub fn is_absent(&self) -> bool {
        self.offsets.iter().all(|offset| *offset == ABSENT)
    }

    /// `None`: malformed.
    pub fn parse(bytes: &[u8], wanted: &Wanted) -> Option<Self> {
        let mut names = Names::default();
        FIELDS
            .iter()
            .flat_map(|(_, places)| *places)
            .for_each(|(ty, _)| names.add(ty));
        wanted
            .functions
            .iter()
            .chain(&wanted.enums)
            .chain(&wanted.structs)
            .for_each(|name| names.add(name));
        let walk = Walk::new(bytes, &names, wanted)?;
        Some(walk.collect(wanted))
    }

    /// The enumerator's value.
    pub fn enumerator(&self, of: &str, name: &str) -> Option<u32> {
        self.enums
            .get(of)?
            .iter()
            .find(|(_, n)| n == name)
            .map(|(v, _)| *v)
    }
}

/// A set of names with a cheap first test: most of the 100,000 names of a kernel are not ours.
#[derive(Default)]
struct Names {
    by_name: HashSet<&'static [u8]>,
    /// A bit for the first four bytes of each name, its end included.
    beginnings: Vec<u64>,
}

/// Which bit stands for a name that begins so.
fn beginning(four: [u8; 4]) -> usize {
    let mixed = u32::from_le_bytes(four).wrapping_mul(0x9e37_79b1);
    (mixed >> 16) as usize
}

impl Names {
    fn add(&mut self, name: &'static str) {
        let bytes = name.as_bytes();
        self.by_name.insert(bytes);
        let mut four = [0; 4];
        debug_assert!(
            bytes.len() > 2,
            "what follows the end of {name} is not known"
        );
        for (to, from) in four.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.beginnings.resize(1024, 0);
        let bit = beginning(four);
        self.beginnings[bit / 64] |= 1 << (bit % 64);
    }

    fn find(&self, strings: &[u8], at: usize) -> Option<&'static [u8]> {
        let rest = strings.get(at..)?;
        let bit = beginning(*rest.first_chunk()?);
        if self.beginnings.get(bit / 64)? & (1 << (bit % 64)) == 0 {
            return None;
        }
        self.by_name.get(c_str(rest)).copied()
    }
}

fn c_str(bytes: &[u8]) -> &[u8] {
    bytes
        .iter()
        .position(|b| *b == 0)
        .map_or(bytes, |end| &bytes[..end])
}

/// The bytes with the place of each type, and the ids of the types we want.
struct Walk<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    at: Vec<u32>,
    found: HashMap<(u8, &'static [u8]), u32>,
    tracepoints: HashMap<&'static str, u32>,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8], names: &Names, wanted: &Wanted) -> Option<Self> {
        let word = |at: usize| read_u32(bytes, at);
        if bytes.get(..2)? != MAGIC.to_ne_bytes() || bytes.len() < HEADER_LEN {
            return None;
        }
        let header = word(4)? as usize;
        let section = |offset: usize, len: usize| {
            let start = header.checked_add(word(offset)? as usize)?;
            bytes.get(start..start.checked_add(word(len)? as usize)?)
        };
        let mut walk = Self {
            types: section(8, 12)?,
            strings: section(16, 20)?,
            at: Vec::with_capacity(1 << 17),
            found: HashMap::new(),
            tracepoints: HashMap::new(),
        };
        walk.at.push(u32::MAX);
        walk.index(names, wanted)?;
        Some(walk)
    }

    fn index(&mut self, names: &Names, wanted: &Wanted) -> Option<()> {
        let mut at = 0;
        while at < self.types.len() {
            let info = read_u32(self.types, at + 4)?;
            let (len, kind) = ((info & 0xffff) as usize, (info >> 24 & 0x1f) as u8);
            let id = u32::try_from(self.at.len()).ok()?;
            if matches!(kind, STRUCT | UNION | ENUM | ENUM64 | FUNC | TYPEDEF) {
                let name = read_u32(self.types, at)? as usize;
                if kind == TYPEDEF {
                    self.note_tracepoint(name, id, wanted);
                } else if let Some(name) = names.find(self.strings, self.name_at(kind, name, at)) {
                    self.found.entry((kind, name)).or_insert(id);
                }
            }
            self.at.push(u32::try_from(at).ok()?);
            at += 12 + extra_len(kind, len)?;
        }
        Some(())
    }

    /// An enumeration without a name goes by that of its first enumerator.
    fn name_at(&self, kind: u8, name: usize, at: usize) -> usize {
        if kind == ENUM && name == 0 {
            return read_u32(self.types, at + 12).unwrap_or(0) as usize;
        }
        name
    }

    fn note_tracepoint(&mut self, name: usize, id: u32, wanted: &Wanted) {
        let Some(name) = self
            .strings
            .get(name..)
            .and_then(|s| s.strip_prefix(b"btf_trace_"))
        else {
            return;
        };
        let name = c_str(name);
        if let Some(tracepoint) = wanted.tracepoints.iter().find(|t| t.as_bytes() == name) {
            self.tracepoints.insert(tracepoint, id);
        }
    }

    fn collect(&self, wanted: &Wanted) -> KernelTypes {
        let mut types = KernelTypes {
            offsets: vec![ABSENT; FIELD_COUNT],
            ..KernelTypes::default()
        };
        for (slot, (_, places)) in types.offsets.iter_mut().zip(FIELDS) {
            *slot = places
                .iter()
                .find_map(|place| self.offset(*place))
                .unwrap_or(ABSENT);
        }
        for (name, id) in &self.tracepoints {
            // The first parameter is `void *__data`.
            let args = self.proto_args(*id).unwrap_or(0).saturating_sub(1);
            types.tracepoints.insert(name, Callable { id: *id, args });
        }
        for name in &wanted.functions {
            if let Some(id) = self.found.get(&(FUNC, name.as_bytes())) {
                let args = self.proto_args(*id).unwrap_or(0);
                types.functions.insert(name, Callable { id: *id, args });
            }
        }
        for name in &wanted.enums {
            if let Some(values) = self.enumerators(name) {
                types.enums.insert(name, values);
            }
        }
        for name in &wanted.structs {
            if let Some(id) = self.found.get(&(STRUCT, name.as_bytes())) {
                types.structs.insert(name, *id);
            }
        }
        types
    }

    fn word(&self, id: u32, offset: usize) -> Option<u32> {
        let at = *self.at.get(id as usize)?;
        read_u32(self.types, at as usize + offset)
    }

    fn kind(&self, id: u32) -> Option<u8> {
        Some((self.word(id, 4)? >> 24 & 0x1f) as u8)
    }

    /// Looks through typedef, const, volatile, restrict, type tags.
    fn strip(&self, mut id: u32) -> Option<u32> {
        for _ in 0..32 {
            match self.kind(id)? {
                TYPEDEF..=11 | 18 => id = self.word(id, 8)?,
                _ => return Some(id),
            }
        }
        None
    }

    fn offset(&self, (ty, path): Place) -> Option<u32> {
        let name = ty.as_bytes();
        let mut id = *self
            .found
            .get(&(STRUCT, name))
            .or_else(|| self.found.get(&(UNION, name)))?;
        let mut bits = 0;
        for part in path.split('.') {
            let (at, member) = self.member(id, part.as_bytes(), 0)?;
            bits += at;
            id = member;
        }
        // A bit field is told by its byte; the program masks it.
        Some(bits / 8)
    }

    fn member(&self, id: u32, name: &[u8], depth: u32) -> Option<(u32, u32)> {
        let mut id = self.strip(id)?;
        if self.kind(id)? == ARRAY {
            id = self.strip(self.word(id, 12)?)?;
        }
        if depth > 8 || !matches!(self.kind(id)?, STRUCT | UNION) {
            return None;
        }
        let info = self.word(id, 4)?;
        for i in 0..(info & 0xffff) as usize {
            let at = 12 + 12 * i;
            let mut bits = self.word(id, at + 8)?;
            if info >> 31 == 1 {
                bits &= 0x00ff_ffff;
            }
            let ty = self.word(id, at + 4)?;
            let member = c_str(self.strings.get(self.word(id, at)? as usize..)?);
            if member == name {
                return Some((bits, ty));
            }
            if member.is_empty()
                && let Some((inner, found)) = self.member(ty, name, depth + 1)
            {
                return Some((bits + inner, found));
            }
        }
        None
    }

    /// Parameters of a function, or of the function a typedef'd pointer points at.
    fn proto_args(&self, id: u32) -> Option<u32> {
        let mut id = if self.kind(id)? == FUNC {
            self.word(id, 8)?
        } else {
            self.strip(id)?
        };
        if self.kind(id)? == PTR {
            id = self.strip(self.word(id, 8)?)?;
        }
        (self.kind(id)? == FUNC_PROTO).then_some(self.word(id, 4)? & 0xffff)
    }

    fn enumerators(&self, name: &str) -> Option<Vec<(u32, String)>> {
        let (id, step) = match self.found.get(&(ENUM, name.as_bytes())) {
            Some(id) => (*id, 8),
            None => (*self.found.get(&(ENUM64, name.as_bytes()))?, 12),
        };
        let len = (self.word(id, 4)? & 0xffff) as usize;
        (0..len)
            .map(|i| {
                let at = 12 + step * i;
                let name = c_str(self.strings.get(self.word(id, at)? as usize..)?);
                Some((
                    self.word(id, at + 4)?,
                    String::from_utf8_lossy(name).into_owned(),
                ))
            })
            .collect()
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Bytes after the common twelve.
fn extra_len(kind: u8, len: usize) -> Option<usize> {
    Some(match kind {
        INT | 14 | 17 => 4,
        PTR | 7..=FUNC | 16 | 18 => 0,
        ARRAY => 12,
        STRUCT | UNION | 15 | ENUM64 => 12 * len,
        ENUM | FUNC_PROTO => 8 * len,
        _ => return None,
    })
}
