//! The registers of `nf_tables` while a rule is read: what was loaded into each.

use super::data::Kind;
use std::collections::HashMap;

/// Something of the packet, as loaded into a register.
#[derive(Clone, Debug)]
pub struct Load {
    /// `tcp dport`, `meta mark` ...
    pub text: String,
    pub kind: Kind,
    /// Bytes in the register.
    pub len: usize,
    /// The whole field is longer: only its first bytes were loaded.
    pub whole: Option<usize>,
    /// Bits kept, when a mask was applied.
    pub mask: Option<Vec<u8>>,
    /// Bytes were turned around: a number of the machine now stands in network order.
    pub swapped: bool,
    /// Bits to shift right before the value is shown: fields that share a byte.
    pub shift: u32,
    /// Layers whose protocol statement it makes superfluous.
    pub needs: &'static [Layer],
    /// It selects a protocol: of what layer.
    pub selects: Option<Layer>,
    /// Where in the packet it stands: base and offset in bytes.
    pub origin: Option<(super::fields::Base, u32)>,
    /// Mask and xor that changed it on the way.
    pub changed: Option<(Vec<u8>, Vec<u8>)>,
}

/// The layer whose protocol a statement settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Link,
    Network,
    Transport,
}

impl Load {
    pub fn new(text: impl Into<String>, kind: Kind, len: usize) -> Self {
        Self {
            text: text.into(),
            kind,
            len,
            whole: None,
            mask: None,
            swapped: false,
            shift: 0,
            needs: &[],
            selects: None,
            origin: None,
            changed: None,
        }
    }

    /// The bytes as the kind expects them.
    pub fn show(&self, bytes: &[u8]) -> String {
        let mut bytes = bytes
            .get(..self.len.min(bytes.len()))
            .unwrap_or_default()
            .to_vec();
        if self.swapped && self.kind.is_host() {
            bytes.reverse();
        }
        if self.shift > 0
            && let Some(value) = super::data::big(&bytes)
        {
            bytes = (value >> self.shift).to_be_bytes()[8 - bytes.len()..].to_vec();
        }
        self.kind.show(&bytes)
    }
}

/// What a register holds.
#[derive(Clone, Debug)]
pub enum Content {
    Load(Load),
    Data(Vec<u8>),
}

/// All registers, in slots of four bytes.
#[derive(Debug, Default)]
pub struct Registers(HashMap<u32, Content>);

/// The verdict register.
pub const VERDICT: u32 = 0;

/// `NFT_REG_1` to `_4` are four slots each, `NFT_REG32_00` and on one.
fn slot(register: u32) -> u32 {
    if register <= 4 {
        register * 4
    } else {
        register.wrapping_sub(4)
    }
}

impl Registers {
    pub fn set(&mut self, register: u32, content: Content) {
        let first = slot(register);
        let len = match &content {
            Content::Load(load) => load.len,
            Content::Data(bytes) => bytes.len(),
        };
        // A long value covers the registers behind, and what stood there.
        for behind in 1..u32::try_from(len.div_ceil(4)).unwrap_or(1).min(16) {
            self.0.remove(&first.wrapping_add(behind));
        }
        self.0.insert(first, content);
    }

    pub fn get(&self, register: u32) -> Option<&Content> {
        self.0.get(&slot(register))
    }

    pub fn load(&self, register: u32) -> Option<&Load> {
        match self.get(register)? {
            Content::Load(load) => Some(load),
            Content::Data(_) => None,
        }
    }

    /// What stands in `len` bytes from `register` on: several loads are a concatenation.
    pub fn span(&self, register: u32, len: usize) -> Vec<Load> {
        let mut loads = Vec::new();
        let (mut at, mut left) = (slot(register), len);
        while left > 0 {
            let Some(Content::Load(load)) = self.0.get(&at) else {
                break;
            };
            let padded = load.len.max(1).next_multiple_of(4);
            left = left.saturating_sub(padded);
            at += u32::try_from(padded / 4).unwrap_or(1);
            loads.push(load.clone());
        }
        loads
    }

    /// The value or the expression in a register, as text of a kind.
    pub fn text(&self, register: u32, kind: Kind) -> String {
        match self.get(register) {
            Some(Content::Load(load)) => super::matching::masked_text(load),
            Some(Content::Data(bytes)) => kind.show(bytes),
            None => format!("reg{register}"),
        }
    }
}
