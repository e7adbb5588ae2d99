//! Frames of 802.2: `llc` and its kinds.

use super::{Lower, Lowered, link::LONGEST, load::Base};
use crate::capture::{
    filter::{
        ast::Llc,
        code::{B, H, JGT, JSET, K},
        graph::Test,
    },
    link::LinkType,
};

impl Lower<'_> {
    pub(super) fn llc(&mut self, kind: Llc) -> Lowered<Test> {
        let any = self.llc_frame()?;
        let control = match kind {
            Llc::Any => return Ok(any),
            Llc::Information => {
                let load = self.load(Base::Llc, 2, B)?;
                self.graph.test(load, JSET | K, 1).not()
            }
            Llc::Supervisory => self.masked(Base::Llc, 2, B, 1, 3)?,
            Llc::Unnumbered => self.masked(Base::Llc, 2, B, 3, 3)?,
            Llc::SupervisoryKind(n) => self.masked(Base::Llc, 2, B, n, 0x0f)?,
            Llc::UnnumberedKind(n) => self.masked(Base::Llc, 2, B, n, 0xef)?,
        };
        Ok(self.graph.and(any, control))
    }

    fn llc_frame(&mut self) -> Lowered<Test> {
        if self.link != LinkType::Ethernet {
            return self.refuse("'llc' is known on Ethernet only");
        }
        let framed = self.compare(Base::Kind, 0, H, JGT, LONGEST)?.not();
        // NetWare's own frames have no LLC header but these bytes.
        let netware = self.equal(Base::Llc, 0, H, 0xffff)?.not();
        Ok(self.graph.and(framed, netware))
    }
}
