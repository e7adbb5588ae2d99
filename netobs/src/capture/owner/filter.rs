//! Owners that are wanted: `--pid`, `--comm`, `--container`, `--netns`, `--uid`. Of one kind any will do, of all kinds one each.

use super::table::Holder;
use crate::enrich::About;

#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub pids: Vec<u32>,
    pub comms: Vec<String>,
    /// Containers by the beginning of their id.
    pub containers: Vec<String>,
    pub namespaces: Vec<u32>,
    pub uids: Vec<u32>,
}

impl Wanted {
    /// Whether anything is asked for.
    pub fn is_any(&self) -> bool {
        let Self {
            pids,
            comms,
            containers,
            namespaces,
            uids,
        } = self;
        let numbers = [pids, namespaces, uids];
        let names = [comms, containers];
        numbers.iter().any(|list| !list.is_empty()) || names.iter().any(|list| !list.is_empty())
    }

    pub(super) fn passes(&self, holder: &Holder, about: &About) -> bool {
        let one_of = |wanted: &[u32], it: u32| wanted.is_empty() || wanted.contains(&it);
        let comm = holder.comm.bytes();
        let container = about.container.as_deref().unwrap_or_default();
        one_of(&self.pids, holder.pid)
            && one_of(&self.uids, holder.uid)
            && one_of(&self.namespaces, holder.netns)
            && (self.comms.is_empty() || self.comms.iter().any(|name| name.as_bytes() == comm))
            && (self.containers.is_empty()
                || self.containers.iter().any(|wanted| {
                    let short = container.len().min(wanted.len());
                    !container.is_empty()
                        && wanted.as_bytes()[..short] == container.as_bytes()[..short]
                }))
    }
}
