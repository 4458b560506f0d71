//! Values of HEALTHCHECK's flags: Go's durations and integers.

/// `time.ParseDuration`, in nanoseconds. `None` where Go refuses.
pub(super) fn duration(text: &str) -> Option<i64> {
    const MAX: u64 = 1 << 63;
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..)?),
        Some(b'+') => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at_checked(digits)?;
        let mut value: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok().filter(|v| *v <= MAX)?
        };
        let (mut fraction, mut scale, mut fraction_digits) = (0_u64, 1.0_f64, 0);
        rest = after;
        if let Some(after) = rest.strip_prefix('.') {
            fraction_digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let mut overflow = false;
            for digit in after.bytes().take(fraction_digits) {
                // Further digits don't matter once the number is full.
                match fraction
                    .checked_mul(10)
                    .and_then(|f| f.checked_add(u64::from(digit - b'0')))
                {
                    Some(next) if !overflow && next <= MAX => {
                        fraction = next;
                        scale *= 10.0;
                    }
                    _ => overflow = true,
                }
            }
            rest = after.get(fraction_digits..)?;
        }
        if digits == 0 && fraction_digits == 0 {
            return None;
        }
        let unit_len = rest
            .bytes()
            .position(|byte| byte == b'.' || byte.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, after) = rest.split_at_checked(unit_len)?;
        rest = after;
        let unit: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        value = value.checked_mul(unit).filter(|value| *value <= MAX)?;
        if fraction > 0 {
            // As Go does it: in floating point, truncated.
            let part = (fraction as f64 * (unit as f64 / scale)) as u64;
            value = value.checked_add(part).filter(|value| *value <= MAX)?;
        }
        total = total.checked_add(value).filter(|total| *total <= MAX)?;
    }
    if negative {
        return Some(0_i64.wrapping_sub_unsigned(total));
    }
    i64::try_from(total).ok()
}

/// `strconv.ParseInt(text, 10, 32)`.
pub(super) fn int32(text: &str) -> Option<i32> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, expected) in [
            ("5s", Some(5_000_000_000)),
            ("1h2m3.5s", Some(3_723_500_000_000)),
            ("0", Some(0)),
            ("-1.5ms", Some(-1_500_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("1µs", Some(1_000)),
            ("2562047h47m16.854775807s", Some(i64::MAX)),
            ("2562047h47m16.854775808s", None),
            ("-2562047h47m16.854775808s", Some(i64::MIN)),
            ("0.9223372036854775808s", Some(922_337_203)),
            ("", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("1 s", None),
            ("1d", None),
            ("--1s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text), expected, "{text:?}");
        }
        assert_eq!(
            (int32("+3"), int32("2147483648"), int32("1_0"), int32("")),
            (Some(3), None, None, None)
        );
    }
}
