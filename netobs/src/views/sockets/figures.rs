//! Figures as C's printf writes them, since that is how people know them from ss.

use crate::line::Line;

/// `%g` of microseconds as milliseconds: 204, 0.021, 12.345.
pub fn milliseconds(line: &mut Line, us: u32) {
    if us >= 1_000_000 {
        return general(line, f64::from(us) / 1000.0, 6);
    }
    let (whole, part) = (us / 1000, us % 1000);
    line.number(u64::from(whole));
    if part > 0 {
        let digits =
            [part / 100, part / 10 % 10, part % 10].map(|d| b'0' + u8::try_from(d).unwrap_or(0));
        let length = digits
            .iter()
            .rposition(|d| *d != b'0')
            .map_or(0, |at| at + 1);
        line.raw(b".").raw(&digits[..length]);
    }
}

/// `%g` with a number of significant digits.
pub fn general(line: &mut Line, value: f64, digits: usize) {
    let scientific = format!("{value:.*e}", digits.saturating_sub(1));
    let exponent: i32 = match scientific.split_once('e') {
        Some((_, exponent)) => exponent.parse().unwrap_or(0),
        None => 0,
    };
    let precision = i32::try_from(digits).unwrap_or(6);
    if exponent < -4 || exponent >= precision {
        let (mantissa, _) = scientific.split_once('e').unwrap_or((&scientific, ""));
        let sign = if exponent < 0 { '-' } else { '+' };
        let text = format!("{}e{sign}{:02}", trim(mantissa), exponent.unsigned_abs());
        line.raw(text.as_bytes());
    } else {
        let decimals = usize::try_from(precision - 1 - exponent).unwrap_or(0);
        line.raw(trim(&format!("{value:.decimals$}")).as_bytes());
    }
}

/// `%g` of 256ths, of which BBR tells two for each connection: without floating point for those that are usual.
pub fn gain256(line: &mut Line, gain: u32) {
    if !(256..2560).contains(&gain) {
        return general(line, f64::from(gain) / 256.0, 6);
    }
    // One digit before the point, five after; 256 divides no odd half, so a tie is one in truth and goes to even.
    let scaled = u64::from(gain) * 100_000;
    let (mut digits, rest) = (scaled / 256, scaled % 256);
    if rest > 128 || (rest == 128 && digits % 2 == 1) {
        digits += 1;
    }
    line.number(digits / 100_000);
    let mut part = digits % 100_000;
    if part == 0 {
        return;
    }
    let mut text = [b'0'; 5];
    for place in text.iter_mut().rev() {
        *place = b'0' + u8::try_from(part % 10).unwrap_or(0);
        part /= 10;
    }
    let length = text
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(0, |at| at + 1);
    line.raw(b".").raw(&text[..length]);
}

/// Without zeros after the point.
fn trim(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// Bits a second: `1.2Gbps` short, or whole with `-n`.
pub fn bandwidth(line: &mut Line, bits: f64, numeric: bool) {
    const UNITS: [(f64, &[u8]); 4] = [(1e12, b"T"), (1e9, b"G"), (1e6, b"M"), (1e3, b"k")];
    if numeric {
        whole(line, bits);
    } else if let Some((scale, unit)) = UNITS.iter().find(|(scale, _)| bits >= *scale) {
        general(line, bits / scale, 3);
        line.raw(unit);
    } else {
        general(line, bits, 6);
    }
    line.raw(b"bps");
}

/// `%.0f`.
fn whole(line: &mut Line, value: f64) {
    /// Up to here every whole number has a double of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if (0.0..EXACT).contains(&value) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 0 to 2^53, rounded"
        )]
        line.number(value.round_ties_even() as u64);
    } else {
        line.raw(format!("{value:.0}").as_bytes());
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "as ss computes: rates are doubles"
)]
pub fn bits(bytes: u64) -> f64 {
    bytes as f64 * 8.0
}

/// A timer's rest: `204ms`, `1.234ms` for 1 s 234 ms (as ss has it), `12sec`, `1min23sec`, `59min`.
pub fn timer(line: &mut Line, ms: u32) {
    let (seconds, mut rest) = (ms / 1000, ms % 1000);
    let (minutes, mut seconds) = (seconds / 60, seconds % 60);
    if minutes > 0 {
        rest = 0;
        line.number(u64::from(minutes)).raw(b"min");
        if minutes > 9 {
            seconds = 0;
        }
    }
    if seconds > 0 {
        if seconds > 9 {
            rest = 0;
        }
        line.number(u64::from(seconds));
        line.raw(if rest > 0 { b"." } else { b"sec" });
    }
    if rest > 0 {
        line.raw(format!("{rest:03}ms").as_bytes());
    }
}

/// Hexadecimal digits without a prefix.
pub fn hex(line: &mut Line, number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 16];
    let mut at = text.len();
    let mut rest = number;
    loop {
        at -= 1;
        text[at] = DIGITS[usize::try_from(rest & 15).unwrap_or(0)];
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    line.raw(&text[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Line)) -> String {
        let mut line = Line::default();
        line.begin();
        write(&mut line);
        String::from_utf8(line.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn as_printf_has_it() {
        for (us, want) in [
            (204_000, "204"),
            (21, "0.021"),
            (12_345, "12.345"),
            (100, "0.1"),
            (999_999, "999.999"),
            (1_234_567, "1234.57"),
            (200_000_000, "200000"),
            (4_000_000_000, "4e+06"),
        ] {
            assert_eq!(text(|l| milliseconds(l, us)), want);
        }
        for (value, want) in [
            (52_428_800_000.0, "52.4Gbps"),
            (1e12, "1Tbps"),
            (999_900.0, "1e+03kbps"),
            (1500.0, "1.5kbps"),
            (120.0, "120bps"),
        ] {
            assert_eq!(text(|l| bandwidth(l, value, false)), want);
        }
        assert_eq!(text(|l| bandwidth(l, 2.5, true)), "2bps");
        assert_eq!(text(|l| bandwidth(l, 1e17, true)), "100000000000000000bps");
    }

    #[test]
    fn gains_are_the_same_both_ways() {
        for gain in 256..2600 {
            let slow = text(|l| general(l, f64::from(gain) / 256.0, 6));
            assert_eq!(text(|l| gain256(l, gain)), slow, "{gain}");
        }
    }

    #[test]
    fn timers_as_ss_has_them() {
        for (ms, want) in [
            (0, ""),
            (204, "204ms"),
            (1_034, "1.034ms"),
            (2_000, "2sec"),
            (12_345, "12sec"),
            (83_000, "1min23sec"),
            (7_140_000, "119min"),
            (60_500, "1min"),
        ] {
            assert_eq!(text(|l| timer(l, ms)), want, "{ms}");
        }
        assert_eq!(
            text(|l| hex(l, 0)) + &text(|l| hex(l, 0xab_cdef)),
            "0abcdef"
        );
    }
}
