//! VLAN tags, MPLS labels and `PPPoE` sessions: tests that move the offsets for all that follows.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a primitive does not name is refused"
)]

use super::{
    Lower, Lowered, link,
    load::{Base, Offset},
    store,
};
use crate::capture::{
    filter::{
        code::{ABS, ADD, ALU, B, H, JA, JEQ, K, LD, MEM, Stmt, VLAN_PRESENT, VLAN_TCI, W},
        graph::Test,
    },
    link::LinkType,
};

const TAG: u32 = 0x8100;
const TAG_PROVIDER: u32 = 0x88a8;
const TAG_OLD: u32 = 0x9100;
/// Bytes of a VLAN tag, and of an MPLS label.
const ONE: u32 = 4;

impl Lower<'_> {
    pub(super) fn vlan(&mut self, id: Option<u32>) -> Lowered<Test> {
        if self.labels > 0 {
            return self.refuse("'vlan' is not known below 'mpls'");
        }
        if self.link != LinkType::Ethernet {
            return self.refuse("'vlan' is known on Ethernet only");
        }
        if id.is_some_and(|id| id > 0x0fff) {
            return self.refuse("a VLAN id is at most 4095");
        }
        let outermost = self.tags == 0 && !self.header.varies && self.header.constant == 0;
        let test = if self.options.live && outermost {
            self.vlan_beside(id)?
        } else {
            self.vlan_inside(id)?
        };
        self.tags += 1;
        Ok(test)
    }

    fn tagged(&mut self) -> Lowered<Test> {
        let tag = self.link_type(TAG)?;
        let provider = self.link_type(TAG_PROVIDER)?;
        let either = self.graph.or(tag, provider);
        let old = self.link_type(TAG_OLD)?;
        Ok(self.graph.or(either, old))
    }

    /// The tag as it stands in the frame.
    fn vlan_inside(&mut self, id: Option<u32>) -> Lowered<Test> {
        let tagged = self.tagged()?;
        let test = match id {
            Some(id) => {
                let this = self.masked(Base::Payload, 0, H, id, 0x0fff)?;
                self.graph.and(tagged, this)
            }
            None => tagged,
        };
        self.payload.constant += ONE;
        if let Some(kind) = &mut self.kind {
            kind.constant += ONE;
        }
        Ok(test)
    }

    /// The kernel may hold the tag beside the frame: then nothing moves, else all moves by its length, at run time.
    fn vlan_beside(&mut self, id: Option<u32>) -> Lowered<Test> {
        let present = vec![Stmt::new(LD | B | ABS, VLAN_PRESENT)];
        let beside = self.graph.test(present, JEQ | K, 1);
        let tagged = self.tagged()?;
        let this = match id {
            Some(id) => Some(self.masked(Base::Payload, 0, H, id, 0x0fff)?),
            None => None,
        };
        self.tags_vary = true;
        let payload = self.vary_payload()?;
        let kind = self.vary_kind()?;
        let mut moved = Vec::new();
        for register in [payload, kind] {
            let word = u32::try_from(register).unwrap_or(0);
            moved.extend([
                Stmt::new(LD | MEM, word),
                Stmt::new(ALU | ADD | K, ONE),
                store(register),
            ]);
        }
        self.graph.prepend(&tagged, moved);
        let either = self.graph.or(beside, tagged);
        let Some(this) = this else {
            return Ok(either);
        };
        // The id from beside the frame, then on to the test, past the load from the frame.
        let loads = self.graph.blocks[this.head].stmts.len();
        let skip = u32::try_from(loads).unwrap_or(1) - 1;
        self.graph.prepend(
            &this,
            vec![
                Stmt::new(LD | B | ABS, VLAN_PRESENT),
                Stmt::jump(JEQ, 1, 0, 2),
                Stmt::new(LD | B | ABS, VLAN_TCI),
                Stmt::jump(JA, skip, 0, 0),
            ],
        );
        Ok(self.graph.and(either, this))
    }

    fn vary_payload(&mut self) -> Lowered<usize> {
        let register = match self.payload.register {
            Some(register) => register,
            None => self.register()?,
        };
        self.payload.varies = true;
        self.payload.register = Some(register);
        Ok(register)
    }

    fn vary_kind(&mut self) -> Lowered<usize> {
        let mut kind = self.kind.unwrap_or(Offset::at(0));
        let register = match kind.register {
            Some(register) => register,
            None => self.register()?,
        };
        kind.varies = true;
        kind.register = Some(register);
        self.kind = Some(kind);
        Ok(register)
    }

    pub(super) fn mpls(&mut self, label: Option<u32>) -> Lowered<Test> {
        let mut test = if self.labels > 0 {
            // One more label follows: this one is not the bottom of the stack.
            self.masked(Base::Label, 2, B, 0, 1)?
        } else {
            match self.link {
                LinkType::Ethernet => self.link_type(link::MPLS)?,
                LinkType::Ppp => self.link_type(0x0281)?,
                _ => return self.refuse("'mpls' is known on Ethernet only"),
            }
        };
        if let Some(label) = label {
            if label > 0x000f_ffff {
                return self.refuse("an MPLS label is at most 1048575");
            }
            let this = self.masked(Base::Payload, 0, W, label << 12, 0xffff_f000)?;
            test = self.graph.and(test, this);
        }
        self.network += ONE;
        self.network_plain += ONE;
        self.labels += 1;
        Ok(test)
    }

    pub(super) fn pppoe(&mut self, session: Option<u32>) -> Lowered<Test> {
        let mut test = self.link_type(link::PPPOE_SESSION)?;
        if let Some(session) = session {
            if session > 0xffff {
                return self.refuse("a PPPoE session is at most 65535");
            }
            let this = self.masked(Base::Payload, 0, W, session, 0xffff)?;
            test = self.graph.and(test, this);
        }
        // Six bytes of PPPoE, then PPP, whose first two bytes name the protocol.
        self.link = LinkType::Ppp;
        self.header = Offset {
            constant: self.payload.constant + self.network + 6,
            ..self.payload
        };
        self.in_geneve = false;
        self.kind = Some(self.header);
        self.payload.constant = self.header.constant + 2;
        self.network = 0;
        self.network_plain = 0;
        Ok(test)
    }
}
