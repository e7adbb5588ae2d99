//! Processes as Wireshark knows them: blocks of their own, named by number in the packets, as macOS's tcpdump writes them.

use super::Process;
use crate::event::Comm;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// A block that tells a process, and the option of a packet that names it ("Darwin process event").
pub const BLOCK: u32 = 0x8000_0001;
pub const OPTION: u16 = 0x8001;
/// The option of such a block for the name.
pub const NAME: u16 = 2;
/// Processes of one file; packets of more have their comment.
pub const MOST: usize = 65_536;

#[derive(Default)]
pub struct Processes {
    numbers: HashMap<Process, u32, RandomState>,
    last: Option<(Process, u32)>,
}

impl Processes {
    /// The number of a process, of which a block is put into `output` first if it is new.
    #[inline]
    pub fn number(&mut self, process: Process, output: &mut Vec<u8>) -> Option<u32> {
        if let Some((last, number)) = self.last
            && last == process
        {
            return Some(number);
        }
        let number = match self.numbers.get(&process) {
            Some(number) => *number,
            None if self.numbers.len() >= MOST => return None,
            None => {
                let number = u32::try_from(self.numbers.len()).ok()?;
                block(process, output)?;
                self.numbers.insert(process, number);
                number
            }
        };
        self.last = Some((process, number));
        Some(number)
    }
}

/// A name as it is read: as long as the kernel's, and up to its end.
pub fn comm(name: &[u8]) -> Comm {
    let mut comm = Comm::default();
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    for (to, from) in comm.0.iter_mut().zip(name) {
        *to = *from;
    }
    comm
}

fn block(process: Process, output: &mut Vec<u8>) -> Option<()> {
    let name = process.comm.bytes();
    let padded = name.len().next_multiple_of(4);
    // Type, length, process, option, its end, and the length again.
    let length = u32::try_from(12 + 4 + padded + 4 + 4).ok()?;
    for word in [BLOCK, length, process.pid] {
        output.extend_from_slice(&word.to_ne_bytes());
    }
    output.extend_from_slice(&NAME.to_ne_bytes());
    output.extend_from_slice(&u16::try_from(name.len()).ok()?.to_ne_bytes());
    output.extend_from_slice(name);
    output.resize(output.len() + padded - name.len() + 4, 0);
    output.extend_from_slice(&length.to_ne_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_where_they_are_told_to() {
        assert_eq!(comm(b"curl\0x"), comm(b"curl"));
        assert_eq!(
            comm(b"a name of more than 16 bytes").0,
            *b"a name of more t"
        );
    }
}
