//! Capture files made of packets of our own, of every protocol that a line or a filter knows, on every link.

pub mod frames;
mod odd;
mod transports;
mod zoo;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

pub use odd::odd;
pub use zoo::zoo;

/// The second of the first packet; packet `n` comes `n` microseconds after it.
pub const BEGIN: u32 = 1_700_000_000;
pub const SNAPLEN: u32 = 262_144;

/// A folder in /tmp, removed on drop.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("/tmp/netobs-dump-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// Writes a file of this folder; its path.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<String> {
        let path = self.path(name);
        fs::write(&path, bytes).with_context(|| format!("write {path}"))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that is already gone is what we want.
        drop(fs::remove_dir_all(Path::new(&self.0)));
    }
}

/// Forms of classic pcap.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    pub link: u32,
    pub snaplen: u32,
    pub little: bool,
    pub nanoseconds: bool,
}

impl Form {
    pub fn of(link: u32) -> Self {
        Self {
            link,
            snaplen: SNAPLEN,
            little: true,
            nanoseconds: false,
        }
    }
}

/// A classic pcap file; packets are cut off at the snaplen.
pub fn pcap(form: Form, packets: &[Vec<u8>]) -> Vec<u8> {
    let u32 = |n: u32| {
        if form.little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        }
    };
    let u16 = |n: u16| {
        if form.little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        }
    };
    let magic = if form.nanoseconds {
        0xa1b2_3c4d
    } else {
        0xa1b2_c3d4
    };
    let mut file = u32(magic).to_vec();
    file.extend([u16(2), u16(4)].concat());
    for n in [0, 0, form.snaplen, form.link] {
        file.extend(u32(n));
    }
    let tick = if form.nanoseconds { 1000 } else { 1 };
    for (number, packet) in (1..).zip(packets) {
        let wire = u32::try_from(packet.len()).unwrap_or(0);
        let kept = wire.min(form.snaplen);
        for n in [BEGIN, number * tick, kept, wire] {
            file.extend(u32(n));
        }
        file.extend(&packet[..kept as usize]);
    }
    file
}

pub const ETHERNET: u32 = 1;
pub const RAW: u32 = 101;
pub const RAW_V4: u32 = 228;
pub const RAW_V6: u32 = 229;
pub const COOKED: u32 = 113;
pub const COOKED_2: u32 = 276;
pub const NULL: u32 = 0;
pub const LOOP: u32 = 108;

/// Ethernet frames as another link would have captured them; those that it cannot carry are left out.
pub fn relink(link: u32, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    frames
        .iter()
        .filter_map(|frame| on_link(link, frame))
        .collect()
}

fn on_link(link: u32, frame: &[u8]) -> Option<Vec<u8>> {
    let kind = *frame.get(12..14)?.first_chunk::<2>()?;
    let payload = &frame[14..];
    let version = match kind {
        [0x08, 0x00] => 4,
        [0x86, 0xdd] => 6,
        _ => 0,
    };
    let family: u32 = if version == 4 { 2 } else { 30 };
    let header = match link {
        ETHERNET => return Some(frame.to_vec()),
        RAW if version > 0 => Vec::new(),
        RAW_V4 if version == 4 => Vec::new(),
        RAW_V6 if version == 6 => Vec::new(),
        NULL if version > 0 => family.to_le_bytes().to_vec(),
        LOOP if version > 0 => family.to_be_bytes().to_vec(),
        // Linux gives these other types there.
        COOKED | COOKED_2 if kind < [6, 0] || kind == [0x88, 0xa8] => return None,
        COOKED => {
            let sent = if frame[11].is_multiple_of(2) { 4 } else { 0 };
            let mut header = vec![0, sent, 0, 1, 0, 6];
            header.extend(&frame[6..12]);
            header.extend([0, 0]);
            header.extend(kind);
            header
        }
        COOKED_2 => {
            let sent = if frame[11].is_multiple_of(2) { 4 } else { 0 };
            let mut header = kind.to_vec();
            header.extend([0, 0, 0, 0, 0, 3, 0, 1, sent, 6]);
            header.extend(&frame[6..12]);
            header.extend([0, 0]);
            header
        }
        _ => return None,
    };
    Some([&header, payload].concat())
}
