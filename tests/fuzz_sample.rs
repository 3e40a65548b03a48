//! A sample of fuzzing for every run of the tests: each parser of foreign bytes gets its seeds with
//! bytes flipped, cut, doubled and spliced, the same in every run. `make fuzz` goes on for longer,
//! and knows which bytes lead into which code.

#[path = "fuzz/targets.rs"]
mod targets;

/// Inputs for each parser.
const INPUTS: u32 = 4_000;

/// xorshift64*.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    fn harm(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, self.below(256) as u8),
            4 => {
                let end = (at + self.below(40)).min(bytes.len());
                let piece = bytes[at.min(end)..end].to_vec();
                let to = self.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ if !bytes.is_empty() => drop(bytes.remove(at)),
            _ => {}
        }
    }
}

#[test]
fn parsers_of_foreign_bytes_take_whatever_comes() {
    for (name, parser, seeds) in targets::ALL {
        let (seeds, mut noise) = (seeds(), Noise(0x9e37_79b9_7f4a_7c15));
        for seed in &seeds {
            parser(seed);
        }
        for n in 0..INPUTS {
            let mut bytes = seeds[noise.below(seeds.len())].clone();
            for _ in 0..=noise.below(6) {
                noise.harm(&mut bytes);
            }
            let result = std::panic::catch_unwind(|| parser(&bytes));
            assert!(result.is_ok(), "{name} fails on input {n}: {bytes:02x?}");
        }
    }
}

/// The seeds must lead far into the parsers, or the harm that is done to them proves little.
#[test]
fn the_seeds_are_good_ones() {
    let seeds =
        |name: &str| targets::ALL.iter().find(|(n, ..)| *n == name).expect("it is there").2()[0].clone();
    let text = String::from_utf8(seeds("config")).expect("it is text");
    nonstop::config::parse(&text).expect("a whole configuration");
    nonstop::schedule::Page::parse(1, &seeds("page")).expect("a whole page");
    assert_eq!(targets::rtmp_session(&seeds("rtmp")), nonstop::publish::rtmp::Phase::Live);
    nonstop::control::protocol::parse(&seeds("request")).expect("a whole request");
    let mut flv = &seeds("flv")[..];
    let mut reader = nonstop::media::flv::Reader::new(&mut flv).expect("a whole file");
    assert_eq!(std::iter::from_fn(|| reader.next_tag().expect("whole tags")).count(), 5);
}
