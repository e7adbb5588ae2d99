//! Comparisons, masks and changes: what a rule asks of a loaded value.

use super::{
    data::{Kind, big, host, prefix_len},
    expr::{Reader, number},
    fields::{self, Base},
    registers::{Content, Load},
};
use crate::netlink::attrs::{Attr, find};

const EQ: u32 = 0;
const NEQ: u32 = 1;
const LTE: u32 = 3;
const GTE: u32 = 5;
const OPS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

/// The bytes of `NFTA_DATA_VALUE` in an attribute.
pub fn data_value(data: &[u8], kind: u16) -> Vec<u8> {
    let value = find(data, kind).and_then(|a| a.find(1));
    value.map(|a| a.value.to_vec()).unwrap_or_default()
}

/// `cmp`: one value against a register. `from`: the lower end of a range, if the last statement was one.
pub fn cmp(reader: &mut Reader<'_>, data: &[u8], from: Option<(String, String)>) {
    let (register, op) = (number(data, 1), number(data, 2));
    let bytes = data_value(data, 3);
    let Some(load) = reader.registers.load(register).cloned() else {
        let sign = OPS.get(op as usize).unwrap_or(&"?");
        return reader.push(
            format!("reg{register} {sign} {}", Kind::Raw.show(&bytes)),
            &[],
        );
    };
    if op == LTE
        && let Some((text, low)) = from.filter(|(text, _)| *text == load.text)
    {
        reader.pop();
        let high = reader.value(&load, &bytes);
        return reader.push(format!("{text} {low}-{high}"), &[load]);
    }
    if op == EQ
        && load.mask.is_none()
        && load.kind == Kind::Raw
        && let Some((base, offset)) = load.origin
        && let Some(parts) = fields::cover(reader, base, offset, load.len)
    {
        let mut rest = bytes.as_slice();
        for part in parts {
            let (value, behind) = rest.split_at(part.len.min(rest.len()));
            let text = compared(reader, &part, op, value);
            reader.push(text, std::slice::from_ref(&part));
            rest = behind;
        }
        return;
    }
    let text = compared(reader, &load, op, &bytes);
    reader.push(text, std::slice::from_ref(&load));
    if op == GTE && load.mask.is_none() {
        reader.from = Some((load.text.clone(), reader.value(&load, &bytes)));
    }
    if op == EQ && load.mask.is_none() {
        reader.settle(&load, &bytes);
    }
}

fn compared(reader: &Reader<'_>, load: &Load, op: u32, bytes: &[u8]) -> String {
    let text = &load.text;
    let sign = OPS.get(op as usize).copied().unwrap_or("?");
    if let Some(mask) = &load.mask {
        return masked(reader, load, mask, op, bytes);
    }
    let value = match load.whole {
        // A prefix that ends on a byte: the rest of the address was not even loaded.
        Some(whole) => {
            let mut address = bytes.to_vec();
            address.resize(whole, 0);
            format!("{}/{}", load.kind.show(&address), bytes.len() * 8)
        }
        None => reader.value(load, bytes),
    };
    match op {
        EQ if load.kind.is_bits() && !text.starts_with("ct ") => format!("{text} == {value}"),
        EQ => format!("{text} {value}"),
        _ => format!("{text} {sign} {value}"),
    }
}

/// `ct state new`, `tcp flags syn / syn,ack`, `ip saddr 10.0.0.0/8`, `meta mark & 0xff == 0x10`.
fn masked(reader: &Reader<'_>, load: &Load, mask: &[u8], op: u32, bytes: &[u8]) -> String {
    let text = &load.text;
    let zero = bytes.iter().all(|b| *b == 0);
    let (shown, value) = (load.show(mask), reader.value(load, bytes));
    if text == "frag @24,8" && mask == [1] {
        return format!("frag more-fragments {value}");
    }
    if load.kind.is_bits() {
        return match (op, zero) {
            (NEQ, true) => format!("{text} {shown}"),
            (EQ, true) => format!("{text} ! {shown}"),
            (NEQ, false) => format!("{text} != {value} / {shown}"),
            _ => format!("{text} {value} / {shown}"),
        };
    }
    let not = if op == NEQ { "!= " } else { "" };
    if text.starts_with("ct label") && zero {
        let label = mask.iter().enumerate().find(|(_, b)| **b != 0);
        if let Some((byte, bits)) = label {
            let number = byte * 8 + bits.trailing_zeros() as usize;
            return format!("{text} {}{number}", if op == EQ { "! " } else { "" });
        }
    }
    if load.kind.has_prefix()
        && op <= NEQ
        && let Some(len) = prefix_len(mask)
    {
        return format!("{text} {not}{value}/{len}");
    }
    if load.kind == Kind::Name && op <= NEQ {
        return format!("{text} {not}{value}");
    }
    let sign = OPS.get(op as usize).copied().unwrap_or("?");
    format!("{text} & {shown} {sign} {value}")
}

/// `range`: between two values, or not.
pub fn range(reader: &mut Reader<'_>, data: &[u8]) {
    let (register, op) = (number(data, 1), number(data, 2));
    let (low, high) = (data_value(data, 3), data_value(data, 4));
    let not = if op == 1 { "!= " } else { "" };
    match reader.registers.load(register).cloned() {
        Some(load) => {
            let ends = format!(
                "{}-{}",
                reader.value(&load, &low),
                reader.value(&load, &high)
            );
            reader.push(format!("{} {not}{ends}", load.text), &[load]);
        }
        None => reader.push(
            format!(
                "reg{register} {not}{}-{}",
                Kind::Raw.show(&low),
                Kind::Raw.show(&high)
            ),
            &[],
        ),
    }
}

/// `byteorder`: a number of the machine turned to network order, or back.
pub fn byteorder(reader: &mut Reader<'_>, data: &[u8]) {
    let (from, to) = (number(data, 1), number(data, 2));
    if let Some(mut load) = reader.registers.load(from).cloned() {
        load.swapped = !load.swapped;
        reader.registers.set(to, Content::Load(load));
    }
}

/// `bitwise`: a mask before a comparison, or a change before it is set somewhere.
pub fn bitwise(reader: &mut Reader<'_>, data: &[u8]) {
    let (from, to, op) = (number(data, 1), number(data, 2), number(data, 6));
    let (mask, xor) = (data_value(data, 4), data_value(data, 5));
    let Some(load) = reader.registers.load(from).cloned() else {
        return;
    };
    let changed = match op {
        0 if xor.iter().all(|b| *b == 0) => narrowed(reader, load, mask),
        0 => rewritten(load, mask, xor),
        1 | 2 => shifted(load, op, &data_value(data, 7)),
        _ => named(load, op, number(data, 9)),
    };
    reader.registers.set(to, Content::Load(changed));
}

/// A mask: a field within the bytes, else bits of the value.
fn narrowed(reader: &Reader<'_>, load: Load, mask: Vec<u8>) -> Load {
    if load.mask.is_none()
        && let Some((base, offset)) = load.origin
        && let Some(field) = fields::within(reader, base, offset, &mask)
    {
        return field;
    }
    Load {
        text: load.text.clone(),
        mask: Some(mask),
        ..load
    }
}

/// `x | v`, `x ^ v`, or both.
fn rewritten(load: Load, mask: Vec<u8>, xor: Vec<u8>) -> Load {
    let inverse: Vec<u8> = mask.iter().map(|b| !b).collect();
    let text = if mask.iter().all(|b| *b == 0xff) {
        format!("{} ^ {}", load.text, load.show(&xor))
    } else if inverse == xor {
        format!("{} | {}", load.text, load.show(&xor))
    } else {
        format!("{} & {} ^ {}", load.text, load.show(&mask), load.show(&xor))
    };
    Load {
        text,
        changed: Some((mask, xor)),
        ..load
    }
}

fn shifted(load: Load, op: u32, by: &[u8]) -> Load {
    let sign = if op == 1 { "<<" } else { ">>" };
    let by = host(by).unwrap_or(0);
    Load {
        text: format!("{} {sign} {by}", load.text),
        ..load
    }
}

/// and, or, xor of two registers (6.13).
fn named(load: Load, op: u32, other: u32) -> Load {
    let sign = match op {
        3 => "&",
        4 => "|",
        5 => "^",
        _ => "?",
    };
    Load {
        text: format!("{} {sign} reg{other}", load.text),
        ..load
    }
}

/// `payload` that writes: `tcp dport set 80`, `ip dscp set cs1`.
pub fn write_payload(reader: &mut Reader<'_>, data: &[u8], base: Base, offset: u32, len: u32) {
    let register = number(data, 5);
    let field = fields::payload(reader, base, offset, len);
    let changed = reader
        .registers
        .load(register)
        .and_then(|load| load.changed.clone());
    if let Some((mask, xor)) = changed {
        let inverse: Vec<u8> = mask.iter().map(|b| !b).collect();
        if let Some(part) = fields::within(reader, base, offset, &inverse) {
            let value = part.show(&xor);
            return reader.push(format!("{} set {value}", part.text), &[part]);
        }
    }
    let value = match reader.registers.get(register) {
        Some(Content::Data(bytes)) => reader.value(&field, bytes),
        Some(Content::Load(load)) => masked_text(load),
        None => format!("reg{register}"),
    };
    reader.push(format!("{} set {value}", field.text), &[field]);
}

/// A load with its mask, when it is the value that is set.
pub fn masked_text(load: &Load) -> String {
    match &load.mask {
        Some(mask) if big(mask).is_some() => format!("{} & {}", load.text, load.show(mask)),
        _ => load.text.clone(),
    }
}

/// A number of an attribute that may be missing.
pub fn maybe(data: &[u8], kind: u16) -> Option<u32> {
    find(data, kind).and_then(Attr::be32)
}
