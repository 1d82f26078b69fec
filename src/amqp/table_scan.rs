//! Checks a field table before anything recursive or allocating sees it.

use crate::model::MAX_TABLE_DEPTH;

/// Why bytes are no acceptable table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScanError {
    #[error("a length in the table points behind its end")]
    Truncated,
    #[error("the table is nested deeper than {0} levels")]
    TooDeep(usize),
    #[error("the table holds more than {0} values")]
    TooMany(usize),
    #[error("the table has a value of the unknown type {0:#04x}")]
    UnknownType(u8),
    #[error("a name in the table is not UTF-8")]
    NameNotUtf8,
}

#[derive(Clone, Copy, Default)]
struct Level {
    /// Where the container ends.
    end: usize,
    /// A table has names, an array has none.
    named: bool,
}

/// Walks over the content of a table (without its leading length), with a fixed stack instead of recursion.
pub(super) fn scan_table(body: &[u8], max_depth: usize, max_values: usize) -> Result<(), ScanError> {
    let mut levels = [Level::default(); MAX_TABLE_DEPTH];
    levels[0] = Level {
        end: body.len(),
        named: true,
    };
    let max_depth = max_depth.clamp(1, MAX_TABLE_DEPTH);
    let mut depth = 0;
    let mut at = 0;
    let mut values = 0;
    loop {
        let level = levels[depth];
        if at == level.end {
            if depth == 0 {
                return Ok(());
            }
            depth -= 1;
            continue;
        }
        let held = &body[..level.end];
        if level.named {
            at = skip_name(held, at)?;
        }
        values += 1;
        if values > max_values {
            return Err(ScanError::TooMany(max_values));
        }
        let kind = *held.get(at).ok_or(ScanError::Truncated)?;
        at += 1;
        if matches!(kind, b'A' | b'F') {
            let (start, end) = counted(held, at)?;
            depth += 1;
            let inner = levels[..max_depth].get_mut(depth);
            *inner.ok_or(ScanError::TooDeep(max_depth))? = Level {
                end,
                named: kind == b'F',
            };
            at = start;
        } else {
            at = skip_plain(kind, held, at)?;
        }
    }
}

fn skip_name(held: &[u8], at: usize) -> Result<usize, ScanError> {
    let length = usize::from(*held.get(at).ok_or(ScanError::Truncated)?);
    let name = held.get(at + 1..at + 1 + length).ok_or(ScanError::Truncated)?;
    std::str::from_utf8(name).map_err(|_| ScanError::NameNotUtf8)?;
    Ok(at + 1 + length)
}

/// Where a value with a 32-bit length begins and ends.
fn counted(held: &[u8], at: usize) -> Result<(usize, usize), ScanError> {
    let length = held[at..].first_chunk::<4>().ok_or(ScanError::Truncated)?;
    let length = u32::from_be_bytes(*length) as usize;
    let start = at + 4;
    if length > held.len() - start {
        return Err(ScanError::Truncated);
    }
    Ok((start, start + length))
}

fn skip_plain(kind: u8, held: &[u8], at: usize) -> Result<usize, ScanError> {
    let length = match kind {
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'D' => 5,
        b'V' => 0,
        b'S' | b'x' => return Ok(counted(held, at)?.1),
        other => return Err(ScanError::UnknownType(other)),
    };
    if length > held.len() - at {
        return Err(ScanError::Truncated);
    }
    Ok(at + length)
}
