//! The interfaces of a capture: one, or each that a packet of all interfaces names, by the name that it has now.

use crate::capture::{
    file::Interface,
    live::devices::{ANY, Device},
};
use std::collections::HashMap;

/// Interfaces that are told apart; packets of further ones are of `any`.
const MOST: usize = 4096;

pub struct Interfaces {
    all: Vec<Interface>,
    /// Of all interfaces: the number of each index.
    numbers: Option<HashMap<u32, usize>>,
    /// The last one asked for: most packets come in runs.
    last: (u32, usize),
    names: HashMap<u32, String>,
}

impl Interfaces {
    pub fn new(device: &Device, known: &[Device], snaplen: u32) -> Self {
        let interface = Interface {
            link: device.link,
            snaplen,
            name: Some(device.name.clone()),
            nanoseconds: true,
            swapped: false,
        };
        let names = known
            .iter()
            .filter_map(|device| Some((device.index?, device.name.clone())));
        Self {
            all: vec![interface],
            numbers: device.index.is_none().then(HashMap::new),
            last: (0, 0),
            names: names.collect(),
        }
    }

    pub fn all(&self) -> &[Interface] {
        &self.all
    }

    /// The number of the interface with this index.
    #[inline]
    pub fn number(&mut self, index: u32) -> usize {
        if self.numbers.is_none() {
            return 0;
        }
        if self.last.0 != index {
            self.last = (index, self.find(index));
        }
        self.last.1
    }

    fn find(&mut self, index: u32) -> usize {
        let Some(numbers) = &mut self.numbers else {
            return 0;
        };
        if let Some(number) = numbers.get(&index) {
            return *number;
        }
        if self.all.len() >= MOST {
            return 0;
        }
        let name = self.names.get(&index).cloned().or_else(|| asked(index));
        let number = self.all.len();
        self.all.push(Interface {
            name: Some(name.unwrap_or_else(|| ANY.to_owned())),
            ..self.all[0].clone()
        });
        numbers.insert(index, number);
        number
    }
}

/// The name of an interface that was made after the capture began.
fn asked(index: u32) -> Option<String> {
    let known = crate::capture::live::devices::all().ok()?;
    let found = known
        .into_iter()
        .find(|device| device.index == Some(index))?;
    Some(found.name)
}
