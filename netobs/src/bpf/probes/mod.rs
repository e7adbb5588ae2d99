//! Stamps of probes and answers from the edge of the stack: two programs loaded by themselves, and the ring they tell in.

mod load;
mod stamp;

pub use load::TapError;
pub use netobs_ebpf::probes::record::{NONE, ProbesWanted};
pub use stamp::{Stamp, Way};

use super::{
    attach::in_words,
    sys,
    tc::{self, At},
};
use aya::maps::{MapData, RingBuf};
use load::{Loaded, Object};
use std::os::fd::{AsFd as _, OwnedFd};

/// Where the programs can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The tracepoints beside TC, which see all devices of the namespace: attached in microseconds.
    Tracepoints,
    /// TC by links (6.6). The kernel waits 8 to 16 ms at each to be attached, and to be taken away.
    Tcx,
    /// TC by filters of a clsact qdisc, which stay if we are killed.
    Clsact,
}

impl Place {
    /// Cheapest first.
    pub const ALL: [Self; 3] = [Self::Tracepoints, Self::Tcx, Self::Clsact];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Tracepoints => "tracepoints",
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }
}

/// Programs in place; dropping it takes them away.
pub struct Tap {
    ring: RingBuf<MapData>,
    place: Place,
    _links: Vec<OwnedFd>,
    _on_devices: Vec<tc::Attached>,
    _loaded: Loaded,
}

impl Tap {
    /// Takes the first of `places` that this kernel and these privileges allow; `devices` are for those that want them named.
    pub fn open(
        wanted: ProbesWanted,
        places: &[Place],
        devices: &dyn Fn() -> Vec<u32>,
    ) -> Result<Self, TapError> {
        sys::unlimited_memlock();
        let mut object = Object::new(wanted);
        let mut refused = Vec::new();
        for place in places {
            match Self::stand(*place, &mut object, devices) {
                Ok(tap) => return Ok(tap),
                Err(why) => refused.push(format!("{}: {why}", place.name())),
            }
        }
        Err(TapError::Refused(refused.join("; ")))
    }

    fn stand(
        place: Place,
        object: &mut Object,
        devices: &dyn Fn() -> Vec<u32>,
    ) -> Result<Self, TapError> {
        let loaded = object.load(place)?;
        let (mut links, mut on_devices) = (Vec::new(), Vec::new());
        let way = match place {
            Place::Tracepoints => None,
            Place::Tcx => Some(tc::Way::Tcx),
            Place::Clsact => Some(tc::Way::Clsact),
        };
        if let Some(way) = way {
            let programs = [
                (At::Ingress, loaded.came.as_fd()),
                (At::Egress, loaded.left.as_fd()),
            ];
            for device in devices() {
                on_devices.push(tc::attach(way, device, "probes", &programs)?);
            }
            if on_devices.is_empty() {
                return Err(TapError::Attach {
                    what: "TC",
                    why: "there is no device towards the targets".to_owned(),
                });
            }
        } else {
            for program in [&loaded.left, &loaded.came] {
                let link = sys::attach_raw(program.as_fd(), None);
                links.push(link.map_err(|error| TapError::Attach {
                    what: "a tracepoint",
                    why: in_words(&error),
                })?);
            }
        }
        Ok(Self {
            ring: object.ring()?,
            place,
            _links: links,
            _on_devices: on_devices,
            _loaded: loaded,
        })
    }

    pub fn place(&self) -> Place {
        self.place
    }

    /// Hands all stamps that wait to `take`.
    pub fn drain(&mut self, mut take: impl FnMut(Stamp<'_>)) {
        while let Some(item) = self.ring.next() {
            if let Some(stamp) = Stamp::read(&item) {
                take(stamp);
            }
        }
    }
}

/// Whether the programs can stand here, and where; what is in the way else.
pub fn look() -> Result<Place, String> {
    let wanted = ProbesWanted {
        netns: 0,
        icmp_id: NONE,
        tcp_first: 1,
        tcp_last: 0,
        udp4: NONE,
        udp6: NONE,
        other: NONE,
        other_id: NONE,
    };
    // The loopback device is always there.
    Tap::open(wanted, &Place::ALL, &|| vec![1])
        .map(|tap| tap.place())
        .map_err(|error| error.to_string())
}
