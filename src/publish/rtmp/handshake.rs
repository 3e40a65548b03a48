//! RTMP's plain handshake: a version and 1536 bytes each way, and the peer's 1536 bytes sent back.

use super::Error;

/// Bytes in C1, C2, S1 and S2.
const BLOCK: usize = 1536;
/// Bytes that the peer sends before its first message: S0, S1 and S2.
const TOTAL: usize = 1 + 2 * BLOCK;
const VERSION: u8 = 3;

/// How far into S0, S1 and S2 the peer is.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    received: usize,
}

impl Handshake {
    /// Starts a handshake: C0 and C1 go to `out`. C1's noise comes from `nonce`.
    pub(super) fn start(nonce: u64, out: &mut Vec<u8>) -> Self {
        out.push(VERSION);
        // Our time, and the zero that asks for the plain handshake instead of the digest one.
        out.extend([0; 8]);
        let mut state = nonce;
        for _ in 0..(BLOCK - 8) / 8 {
            out.extend(splitmix(&mut state).to_be_bytes());
        }
        Self::default()
    }

    /// Takes what belongs to the handshake from `bytes` and leaves the rest. S1 goes to `out` as
    /// it comes, where it is C2. S2 is not compared with C1: not every ingest sends C1 back.
    pub(super) fn take(&mut self, bytes: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        if self.received == 0
            && let Some((&version, rest)) = bytes.split_first()
        {
            if version != VERSION {
                return Err(Error::Protocol { what: "its handshake has another version than 3" });
            }
            self.received = 1;
            *bytes = rest;
        }
        let echo = bytes.len().min((1 + BLOCK).saturating_sub(self.received));
        out.extend_from_slice(&bytes[..echo]);
        let taken = bytes.len().min(TOTAL - self.received);
        self.received += taken;
        *bytes = &bytes[taken..];
        Ok(())
    }

    /// One that is over.
    pub(super) const fn done() -> Self {
        Self { received: TOTAL }
    }

    /// Whether all of S2 is in.
    pub(super) fn is_done(&self) -> bool {
        self.received == TOTAL
    }
}

/// Sebastiano Vigna's splitmix64: all the noise that a handshake needs.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn c2_is_s1_and_the_rest_is_left_however_it_is_split(
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            more in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let s1: Vec<u8> = (0..BLOCK).map(|i| (i * 7) as u8).collect();
            let input = [&[VERSION][..], &s1, &[0xee; BLOCK], &more].concat();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len())).collect();
            at.extend([0, input.len()]);
            at.sort_unstable();
            let (mut handshake, mut out, mut left) = (Handshake::default(), Vec::new(), Vec::new());
            for pair in at.windows(2) {
                let mut bytes = &input[pair[0]..pair[1]];
                handshake.take(&mut bytes, &mut out).unwrap();
                left.extend_from_slice(bytes);
            }
            prop_assert!(handshake.is_done());
            prop_assert_eq!(out, s1);
            prop_assert_eq!(left, more);
        }
    }

    #[test]
    fn another_version_is_refused_at_its_first_byte() {
        let (mut handshake, mut out) = (Handshake::default(), Vec::new());
        assert!(handshake.take(&mut &b"HTTP/1.1 400 Bad Request"[..], &mut out).is_err());
        assert!(out.is_empty());
    }

    #[test]
    fn c1_asks_for_the_plain_handshake_and_depends_on_the_nonce() {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        Handshake::start(1, &mut a);
        Handshake::start(2, &mut b);
        assert_eq!((a.len(), a[0], &a[1..9]), (1 + BLOCK, 3, &[0; 8][..]));
        assert_ne!(a[9..], b[9..]);
    }
}
