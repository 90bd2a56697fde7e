//! Damage to saved states, for tests.

/// `bytes` with `value` in place of the number that begins at `at`: seven bits a byte, of which all but the last have the highest one set. `None` if no number can begin there, or it is that one.
pub fn replaced(bytes: &[u8], at: usize, mut value: u64) -> Option<Vec<u8>> {
    if at > 0 && bytes[at - 1] >= 0x80 {
        return None;
    }
    let end = bytes[at..].iter().position(|&byte| byte < 0x80).map_or(bytes.len(), |last| at + last + 1);
    let mut number = Vec::new();
    while value >= 0x80 {
        number.push(value as u8 | 0x80);
        value >>= 7;
    }
    number.push(value as u8);
    (bytes[at..end] != number[..]).then(|| [&bytes[..at], &number, &bytes[end..]].concat())
}
