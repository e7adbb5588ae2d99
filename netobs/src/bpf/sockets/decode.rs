//! Bytes of an iterator's file: records of two lengths, one after the other, however the reads cut them.

use netobs_ebpf::sockets::record::{
    HolderRecord, KIND_HOLDER, KIND_TCP, KIND_THREAD, KIND_UDP, TcpRecord,
};
use zerocopy::FromBytes;

/// One record.
#[derive(Clone, Copy)]
pub enum Record {
    Holder(HolderRecord),
    Tcp(TcpRecord),
    Thread(HolderRecord),
    Udp(TcpRecord),
}

/// No record is longer.
#[cfg(test)]
const LONGEST: usize = size_of::<TcpRecord>();

/// The bytes are none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strange;

/// Takes the first record off `bytes`; `None`: it is not whole yet.
pub fn next(bytes: &mut &[u8]) -> Result<Option<Record>, Strange> {
    let Some(kind) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    Ok(match u32::from_ne_bytes(*kind) {
        KIND_HOLDER => take(bytes).map(Record::Holder),
        KIND_TCP => take(bytes).map(Record::Tcp),
        KIND_UDP => take(bytes).map(Record::Udp),
        KIND_THREAD => take(bytes).map(Record::Thread),
        _ => return Err(Strange),
    })
}

fn take<T: FromBytes>(bytes: &mut &[u8]) -> Option<T> {
    let (record, rest) = T::read_from_prefix(bytes).ok()?;
    *bytes = rest;
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromZeros as _, IntoBytes as _};

    fn holder(pid: u32) -> HolderRecord {
        let mut record = HolderRecord::new_zeroed();
        (record.kind, record.pid) = (KIND_HOLDER, pid);
        record
    }

    fn tcp(pid: u32) -> TcpRecord {
        let mut record = TcpRecord::new_zeroed();
        record.holder = holder(pid);
        record.holder.kind = KIND_TCP;
        record
    }

    fn pids(mut bytes: &[u8]) -> (Vec<u32>, usize, bool) {
        let mut pids = Vec::new();
        loop {
            match next(&mut bytes) {
                Ok(Some(Record::Holder(h))) => pids.push(h.pid),
                Ok(Some(Record::Tcp(t))) => pids.push(t.holder.pid + 1000),
                Ok(Some(Record::Thread(t))) => pids.push(t.tid),
                Ok(Some(Record::Udp(_))) => {}
                Ok(None) => return (pids, bytes.len(), true),
                Err(Strange) => return (pids, bytes.len(), false),
            }
        }
    }

    #[test]
    fn records_follow_each_other_and_a_cut_one_waits() {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(holder(1).as_bytes());
        bytes.extend_from_slice(tcp(2).as_bytes());
        let mut ends = vec![48, bytes.len()];
        bytes.extend_from_slice(holder(3).as_bytes());
        ends.push(bytes.len());
        assert_eq!(pids(&bytes), (vec![1, 1002, 3], 0, true));
        for cut in 0..bytes.len() {
            let (told, left, fine) = pids(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(told.len(), whole, "cut at {cut}");
            assert!(fine && left < LONGEST);
        }
    }

    #[test]
    fn foreign_bytes_are_refused() {
        for kind in [0, 9, u32::MAX, u32::from_ne_bytes(*b"tcp ")] {
            let mut bytes = holder(1).as_bytes().to_vec();
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(&[0xff; 400]);
            let (told, _, fine) = pids(&bytes);
            assert_eq!((told, fine), (vec![1], false), "{kind}");
        }
    }
}
