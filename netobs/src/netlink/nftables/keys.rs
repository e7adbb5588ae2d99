//! What `meta`, `ct`, `rt`, `socket` and `fib` can load: names and kinds by key number.

use super::data::{Kind, Names, Style};

/// Text and kind of a key; an unknown one by its number.
pub type Key = (&'static str, Kind);

const NONE: Key = ("", Kind::Raw);

/// `NFT_META_*`.
pub fn meta(key: u32) -> Option<Key> {
    const KEYS: [Key; 36] = [
        ("meta length", Kind::Host),
        ("meta protocol", Kind::EtherType),
        ("meta priority", Kind::Class),
        ("meta mark", Kind::Mark),
        ("iif", Kind::Ifindex),
        ("oif", Kind::Ifindex),
        ("iifname", Kind::Name),
        ("oifname", Kind::Name),
        ("meta iiftype", Kind::Names(&ARPHRD)),
        ("meta oiftype", Kind::Names(&ARPHRD)),
        ("meta skuid", Kind::Host),
        ("meta skgid", Kind::Host),
        ("meta nftrace", Kind::Host),
        ("meta rtclassid", Kind::Host),
        ("meta secmark", Kind::Host),
        ("meta nfproto", Kind::Names(&NFPROTO)),
        ("meta l4proto", Kind::Protocol),
        ("meta ibrname", Kind::Name),
        ("meta obrname", Kind::Name),
        ("meta pkttype", Kind::Names(&PKTTYPE)),
        ("meta cpu", Kind::Host),
        ("iifgroup", Kind::Names(&GROUP)),
        ("oifgroup", Kind::Names(&GROUP)),
        ("meta cgroup", Kind::Host),
        ("meta random", Kind::Host),
        ("meta ipsec", Kind::Exists),
        ("meta iifkind", Kind::Name),
        ("meta oifkind", Kind::Name),
        ("meta ibrpvid", Kind::Host),
        ("meta ibrvproto", Kind::EtherType),
        ("meta time", Kind::Host),
        ("meta day", Kind::Names(&DAY)),
        ("meta hour", Kind::Hour),
        ("meta sdif", Kind::Ifindex),
        ("meta sdifname", Kind::Name),
        ("meta broute", Kind::Host),
    ];
    known(&KEYS, key)
}

/// `NFT_CT_*`, without the direction.
pub fn ct(key: u32) -> Option<Key> {
    const KEYS: [Key; 24] = [
        ("state", Kind::Names(&CT_STATE)),
        ("direction", Kind::Names(&CT_DIRECTION)),
        ("status", Kind::Names(&CT_STATUS)),
        ("mark", Kind::Mark),
        ("secmark", Kind::Host),
        ("expiration", Kind::Time),
        ("helper", Kind::Name),
        ("l3proto", Kind::Names(&NFPROTO)),
        ("saddr", Kind::Address),
        ("daddr", Kind::Address),
        ("protocol", Kind::Protocol),
        ("proto-src", Kind::Port),
        ("proto-dst", Kind::Port),
        ("label", Kind::Raw),
        ("packets", Kind::Host),
        ("bytes", Kind::Host),
        ("avgpkt", Kind::Host),
        ("zone", Kind::Host),
        ("event", Kind::Host),
        ("ip saddr", Kind::Address),
        ("ip daddr", Kind::Address),
        ("ip6 saddr", Kind::Address),
        ("ip6 daddr", Kind::Address),
        ("id", Kind::Host),
    ];
    known(&KEYS, key)
}

/// `NFT_RT_*`.
pub fn rt(key: u32) -> Option<Key> {
    const KEYS: [Key; 5] = [
        ("rt classid", Kind::Host),
        ("rt ip nexthop", Kind::Address),
        ("rt ip6 nexthop", Kind::Address),
        ("rt mtu", Kind::Host),
        ("rt ipsec", Kind::Exists),
    ];
    known(&KEYS, key)
}

/// `NFT_SOCKET_*`.
pub fn socket(key: u32) -> Option<Key> {
    const KEYS: [Key; 4] = [
        ("socket transparent", Kind::Host),
        ("socket mark", Kind::Mark),
        ("socket wildcard", Kind::Host),
        ("socket cgroupv2", Kind::Host),
    ];
    known(&KEYS, key)
}

fn known(keys: &[Key], key: u32) -> Option<Key> {
    let key = usize::try_from(key).ok()?;
    keys.get(key).copied().filter(|key| *key != NONE)
}

/// What `fib` looks up: `NFTA_FIB_RESULT` and its flags.
pub fn fib(result: u32, flags: u32) -> (String, Kind) {
    const INPUTS: [(u32, &str); 5] = [
        (1, "saddr"),
        (2, "daddr"),
        (4, "mark"),
        (8, "iif"),
        (16, "oif"),
    ];
    const PRESENT: u32 = 32;
    let inputs: Vec<&str> = INPUTS
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    let (name, kind) = match result {
        1 if flags & PRESENT != 0 => ("oif", Kind::Exists),
        2 if flags & PRESENT != 0 => ("oifname", Kind::Exists),
        1 => ("oif", Kind::Ifindex),
        2 => ("oifname", Kind::Name),
        3 => ("type", Kind::Names(&FIB_TYPE)),
        _ => ("?", Kind::Raw),
    };
    (format!("fib {} {name}", inputs.join(" . ")), kind)
}

const fn values(names: &'static [(u64, &'static str)], quoted: bool) -> Names {
    Names {
        style: if quoted { Style::Quoted } else { Style::Plain },
        host: true,
        table: names,
    }
}

const fn bits(names: &'static [(u64, &'static str)]) -> Names {
    Names {
        style: Style::Bits,
        host: true,
        table: names,
    }
}

pub static CT_STATE: Names = bits(&[
    (1, "invalid"),
    (2, "established"),
    (4, "related"),
    (8, "new"),
    (64, "untracked"),
]);
static CT_STATUS: Names = bits(&[
    (1, "expected"),
    (2, "seen-reply"),
    (4, "assured"),
    (8, "confirmed"),
    (16, "snat"),
    (32, "dnat"),
    (64, "seq-adjust"),
    (128, "snat-done"),
    (256, "dnat-done"),
    (512, "dying"),
]);
static CT_DIRECTION: Names = values(&[(0, "original"), (1, "reply")], false);
static GROUP: Names = values(&[(0, "default")], true);
static ARPHRD: Names = values(
    &[
        (1, "ether"),
        (512, "ppp"),
        (768, "ipip"),
        (769, "ipip6"),
        (772, "loopback"),
        (776, "sit"),
        (778, "ipgre"),
    ],
    false,
);
static NFPROTO: Names = values(&[(2, "ipv4"), (10, "ipv6")], false);
static PKTTYPE: Names = values(
    &[
        (0, "host"),
        (1, "broadcast"),
        (2, "multicast"),
        (3, "other"),
    ],
    false,
);
static DAY: Names = values(
    &[
        (0, "Sunday"),
        (1, "Monday"),
        (2, "Tuesday"),
        (3, "Wednesday"),
        (4, "Thursday"),
        (5, "Friday"),
        (6, "Saturday"),
    ],
    true,
);
static FIB_TYPE: Names = values(
    &[
        (0, "unspec"),
        (1, "unicast"),
        (2, "local"),
        (3, "broadcast"),
        (4, "anycast"),
        (5, "multicast"),
        (6, "blackhole"),
        (7, "unreachable"),
        (8, "prohibit"),
    ],
    false,
);
