//! Messages as chunks, outward: every message begins with a full header.

/// How much of a message goes in one chunk, told to the peer by Set Chunk Size.
///
/// An audio frame and nearly every picture then is one chunk; a keyframe of 200 kB is four. It is
/// the largest that SRS takes without a warning, and larger ones make nginx-rtmp allocate buffers
/// of that size, to spare a byte in 65536.
pub(super) const CHUNK_SIZE: usize = 65_536;
/// Longest body that a header can announce: its length has 24 bits.
pub(super) const MAX_BODY: usize = 0xff_ffff;

/// Chunk streams, as Adobe's encoders number them. All are below 64, so their id takes one byte.
pub(super) const CONTROL: u8 = 2;
pub(super) const COMMAND: u8 = 3;
pub(super) const AUDIO: u8 = 4;
pub(super) const DATA: u8 = 5;
pub(super) const VIDEO: u8 = 6;

/// A timestamp of this or more does not fit into the header's 24 bits and follows it in 32.
const EXTENDED: u32 = 0xff_ffff;

/// What a message's header says apart from the body's length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// One of the chunk streams above.
    pub(super) chunk_stream: u8,
    /// RTMP's message type.
    pub(super) kind: u8,
    /// In milliseconds.
    pub(super) timestamp: u32,
    /// The message stream, from `createStream`; zero for the connection itself.
    pub(super) stream: u32,
}

/// Appends a message in chunks of [`CHUNK_SIZE`].
///
/// # Panics
///
/// If `body` is longer than [`MAX_BODY`], which is twice what an FLV tag of ours may hold.
pub(super) fn write(out: &mut Vec<u8>, header: Header, body: &[u8]) {
    assert!(body.len() <= MAX_BODY, "an RTMP message of {} bytes", body.len());
    let extended = (header.timestamp >= EXTENDED).then(|| header.timestamp.to_be_bytes());
    let short = header.timestamp.min(EXTENDED).to_be_bytes();
    let len = (body.len() as u32).to_be_bytes();
    out.reserve(body.len() + 16 + body.len() / CHUNK_SIZE * 5);
    out.push(header.chunk_stream);
    out.extend([short[1], short[2], short[3], len[1], len[2], len[3], header.kind]);
    // The one little-endian number in RTMP.
    out.extend(header.stream.to_le_bytes());
    out.extend(extended.iter().flatten());
    for (i, part) in body.chunks(CHUNK_SIZE).enumerate() {
        if i > 0 {
            out.push(0b1100_0000 | header.chunk_stream);
            // Again for each chunk, as the specification has it and nginx-rtmp and FFmpeg read it.
            out.extend(extended.iter().flatten());
        }
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(timestamp: u32, len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let body: Vec<u8> = (0..len).map(|i| i as u8).collect();
        write(&mut out, Header { chunk_stream: VIDEO, kind: 9, timestamp, stream: 1 }, &body);
        out
    }

    #[test]
    fn a_small_message_is_twelve_bytes_and_its_body() {
        assert_eq!(written(0x010203, 3), [6, 1, 2, 3, 0, 0, 3, 9, 1, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn timestamps_are_extended_from_two_to_the_24_minus_one_on() {
        assert_eq!(written(0xff_fffe, 0)[1..4], [0xff, 0xff, 0xfe]);
        assert_eq!(written(0xff_fffe, 0).len(), 12);
        for timestamp in [0xff_ffff, 0x100_0000, 0x7fff_ffff, 0xffff_ffff] {
            let out = written(timestamp, 0);
            assert_eq!(out[1..4], [0xff; 3]);
            assert_eq!(out[12..], timestamp.to_be_bytes());
        }
    }

    #[test]
    fn further_chunks_repeat_an_extended_timestamp_and_nothing_else() {
        assert_eq!(written(5, CHUNK_SIZE + 1)[12 + CHUNK_SIZE..], [0xc6, 0]);
        assert_eq!(written(0x100_0000, CHUNK_SIZE + 1)[16 + CHUNK_SIZE..], [0xc6, 1, 0, 0, 0, 0]);
        assert_eq!(written(5, CHUNK_SIZE).len(), 12 + CHUNK_SIZE);
    }
}
