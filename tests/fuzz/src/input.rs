//! The bytes of an input, taken from the front; what is not there is zero.

use netobs::capture::link::LinkType;

pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// As many as are there.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub fn link(&mut self) -> LinkType {
        const LINKS: [LinkType; 9] = [
            LinkType::Ethernet,
            LinkType::Raw,
            LinkType::RawV4,
            LinkType::RawV6,
            LinkType::Sll,
            LinkType::Sll2,
            LinkType::Null,
            LinkType::Loop,
            LinkType::Ppp,
        ];
        LINKS[usize::from(self.byte()) % LINKS.len()]
    }
}
