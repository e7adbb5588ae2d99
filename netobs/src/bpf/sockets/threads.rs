//! Holders with the threads that use the same descriptors.

use super::fill;
use crate::socket::Holder;
use netobs_ebpf::sockets::record::HolderRecord;

/// Threads that use their process's descriptors, by process and number.
#[derive(Default)]
pub struct Threads(Vec<Holder>);

impl Threads {
    pub fn add(&mut self, record: &HolderRecord) {
        self.0.push(fill::holder(record, true));
    }

    /// All were added.
    pub fn finish(&mut self) {
        self.0
            .sort_unstable_by_key(|thread| (thread.pid, thread.tid));
    }

    /// The holder of a descriptor, and the threads that hold it too.
    pub fn with(&self, holder: Holder) -> impl DoubleEndedIterator<Item = Holder> + '_ {
        let leads = holder.tid == holder.pid;
        let start = self.0.partition_point(|thread| thread.pid < holder.pid);
        let own = self.0[start..].iter();
        let end = own
            .take_while(|thread| leads && thread.pid == holder.pid)
            .count();
        let threads = self.0[start..start + end].iter();
        std::iter::once(holder).chain(threads.map(move |thread| Holder {
            fd: holder.fd,
            ..*thread
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros as _;

    #[test]
    fn threads_stand_behind_their_process() {
        let mut threads = Threads::default();
        for (pid, tid) in [(9, 11), (7, 8), (9, 10)] {
            let mut record = HolderRecord::new_zeroed();
            (record.pid, record.tid) = (pid, tid);
            threads.add(&record);
        }
        threads.finish();
        let all = |pid, tid| {
            let mut record = HolderRecord::new_zeroed();
            (record.pid, record.tid, record.fd) = (pid, tid, 3);
            let holders = threads.with(fill::holder(&record, true));
            holders.map(|h| (h.tid, h.fd)).collect::<Vec<_>>()
        };
        assert_eq!(all(9, 9), [(9, 3), (10, 3), (11, 3)]);
        assert_eq!(all(9, 12), [(12, 3)], "it has descriptors of its own");
        assert_eq!(all(8, 8), [(8, 3)]);
    }
}
