//! Instructions as an assembler writes them.

use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

/// An instruction word in words.
pub(super) fn text(word: u32) -> String {
    let bytes = word.to_le_bytes();
    let text = InstDecoder::default().decode(&mut U8Reader::new(&bytes)).map(|instruction| instruction.to_string());
    text.unwrap_or_else(|_| crate::decode(word).name.to_lowercase())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_word_has_some_text_or_none_and_no_panic() {
        for (word, expected) in [(0xd65f_03c0, "ret"), (0xd503_207f, "wfi"), (0xd51e_1000, "msr"), (0x9100_43ff, "add"), (0, "udf")] {
            let text = super::text(word);
            assert!(text.contains(expected), "{word:#x}: {text}");
        }
        for i in 0..200_000u32 {
            super::text(i.wrapping_mul(0x9E37_79B1));
        }
    }
}
