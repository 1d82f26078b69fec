//! Whole numbers in as few bytes as they need: seven bits a byte, low ones first (LEB128).

/// Appends a number.
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number from the front; `None` where there is none, or more than 64 bits of one.
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Appends the difference of two numbers, which may go either way and wraps.
pub fn put_difference(out: &mut Vec<u8>, from: u64, to: u64) {
    let difference = to.wrapping_sub(from) as i64;
    // Small ones of either sign become small numbers.
    put(out, (difference << 1 ^ difference >> 63) as u64);
}

/// Takes what [`put_difference`] wrote; gives the second number.
pub fn take_difference(bytes: &mut &[u8], from: u64) -> Option<u64> {
    let folded = take(bytes)?;
    Some(from.wrapping_add((folded >> 1) ^ (folded & 1).wrapping_neg()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_differences_come_back() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        for a in numbers {
            for b in numbers {
                let mut out = Vec::new();
                put(&mut out, a);
                put_difference(&mut out, a, b);
                let mut rest = &out[..];
                assert_eq!(take(&mut rest), Some(a));
                assert_eq!(take_difference(&mut rest, a), Some(b));
                assert!(rest.is_empty());
            }
        }
        assert_eq!(take(&mut &[0x80][..]), None);
        assert_eq!(take(&mut &[0x80; 11][..]), None);
    }

    #[test]
    fn small_ones_take_a_byte() {
        let mut out = Vec::new();
        put(&mut out, 127);
        put_difference(&mut out, 100, 37);
        put_difference(&mut out, 37, 100);
        assert_eq!(out.len(), 3);
    }
}
