//! What stands upon a TCP connection, word for word as ss: MD5 keys, kernel TLS, MPTCP.

use super::{
    figures::hex,
    tcp::{figure, padded},
};
use crate::{
    line::Line,
    socket::{Mptcp, Row, Subflow, Tls},
};

/// What numbers are called.
type Names = [(u16, &'static str)];
type Count = fn(&Mptcp) -> u8;

/// The counts of an MPTCP connection, in order.
const COUNTS: [(&str, Count); 6] = [
    (" subflows:", |info| info.subflows),
    (" add_addr_signal:", |info| info.add_addr_signal),
    (" add_addr_accepted:", |info| info.add_addr_accepted),
    (" subflows_max:", |info| info.subflows_max),
    (" add_addr_signal_max:", |info| info.add_addr_signal_max),
    (" add_addr_accepted_max:", |info| info.add_addr_accepted_max),
];
/// Bits of its flags.
const FLAGS: [(u32, &str); 2] = [(1, "fallback"), (2, "remote_key")];
const TLS_VERSIONS: [(u16, &str); 2] = [(0x0303, "1.2"), (0x0304, "1.3")];
const TLS_CIPHERS: [(u16, &str); 4] = [
    (51, "aes-gcm-128"),
    (52, "aes-gcm-256"),
    (53, "aes-ccm-128"),
    (54, "chacha20-poly1305"),
];
const TLS_WAYS: [(u16, &str); 4] = [(1, "none"), (2, "sw"), (3, "hw"), (4, "hw-record")];

pub fn write(line: &mut Line, row: &Row) {
    if let Some(info) = &row.inet.mptcp {
        mptcp(line, info);
    }
    // The keys are secrets: told is for whom there is one.
    for (place, (ip, prefix)) in row.inet.md5_keys.iter().enumerate() {
        line.raw(if place == 0 { b" md5keys:" } else { b"," });
        line.ip(*ip).raw(b"/").number(u64::from(*prefix));
    }
    let name = padded(&row.inet.ulp);
    if !name.is_empty() {
        line.raw(b" tcp-ulp-").escaped(name);
    }
    if let Some(info) = &row.inet.tls {
        tls(line, info);
    }
    if let Some(flow) = &row.inet.subflow {
        subflow(line, flow);
    }
}

fn mptcp(line: &mut Line, info: &Mptcp) {
    for (name, value) in COUNTS {
        figure(line, name, u64::from(value(info)));
    }
    for (_, name) in FLAGS.iter().filter(|(bit, _)| info.flags & bit != 0) {
        line.word(name);
    }
    let numbers = [
        (" token:", u64::from(info.token)),
        (" write_seq:", info.write_seq),
        (" snd_una:", info.snd_una),
        (" rcv_nxt:", info.rcv_nxt),
    ];
    for (name, value) in numbers.into_iter().filter(|(_, value)| *value != 0) {
        line.raw(name.as_bytes());
        hex(line, value);
    }
}

fn tls(line: &mut Line, tls: &Tls) {
    let parts: [(&str, Option<u16>, &Names); 4] = [
        (" version: ", tls.version, &TLS_VERSIONS),
        (" cipher: ", tls.cipher, &TLS_CIPHERS),
        (" rxconf: ", tls.rx, &TLS_WAYS),
        (" txconf: ", tls.tx, &TLS_WAYS),
    ];
    for (name, value, names) in parts {
        let Some(value) = value else {
            continue;
        };
        line.raw(name.as_bytes());
        match names.iter().find(|(number, _)| *number == value) {
            Some((_, known)) => line.raw(known.as_bytes()),
            None => line.raw(format!("unknown({value})").as_bytes()),
        };
    }
    if tls.zero_copy {
        line.word("zc_ro_tx");
    }
}

fn subflow(line: &mut Line, flow: &Subflow) {
    if flow.flags != 0 {
        line.raw(b" flags:");
        for (bit, letter) in b"MmJjBbecv".iter().enumerate() {
            if flow.flags & 1 << bit != 0 {
                line.raw(&[*letter]);
            }
        }
    }
    let text = format!(
        " token:{:04x}(id:{})/{:04x}(id:{})",
        flow.token_remote, flow.id_remote, flow.token_local, flow.id_local
    );
    line.raw(text.as_bytes());
    let rest = [
        (" seq:", flow.map_seq),
        (" sfseq:", flow.map_sfseq.map(u64::from)),
        (" ssnoff:", flow.ssn_offset.map(u64::from)),
        (" maplen:", flow.map_len.map(u64::from)),
    ];
    for (name, value) in rest {
        if let Some(value) = value {
            line.raw(name.as_bytes());
            hex(line, value);
        }
    }
}
