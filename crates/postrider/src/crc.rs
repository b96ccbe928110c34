//! CRC32C (RFC 3720, appendix B.4), which every format checks its bytes with.
//!
//! The tests of the formats ask another implementation.

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of `bytes`.
#[inline]
pub(crate) fn of(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The checksum of some bytes whose own is `crc`, and `more` behind them.
pub(crate) fn append(crc: u32, more: &[u8]) -> u32 {
    // Between two parts the register is as it was before its bits are flipped at the end.
    let register = u64::from(!crc);
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, register);
    digest.update(more);
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 3720, appendix B.4.
    #[test]
    fn the_rfcs_examples() {
        let rising: Vec<u8> = (0..32).collect();
        let falling: Vec<u8> = (0..32).rev().collect();
        assert_eq!(of(&[0; 32]), 0x8a91_36aa);
        assert_eq!(of(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(of(&rising), 0x46dd_794e);
        assert_eq!(of(&falling), 0x113f_db5c);
        assert_eq!(of(b""), 0);
    }

    proptest! {
        #[test]
        fn another_implementation_agrees_wherever_the_bytes_are_cut(
            bytes in proptest::collection::vec(any::<u8>(), 0..3000),
            from in 0..64usize,
            cut in 0..3000usize,
        ) {
            let bytes = &bytes[from.min(bytes.len())..];
            let (head, rest) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(of(bytes), crc32c::crc32c(bytes));
            prop_assert_eq!(append(of(head), rest), of(bytes));
        }
    }
}
