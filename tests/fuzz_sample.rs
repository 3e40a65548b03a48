//! A sample of what `make fuzz` does at length: every fuzz target over its seeds, and over some
//! thousand variations of them that are the same in each run.

#[path = "fuzz/targets.rs"]
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// Variations of each seed.
const VARIATIONS: u64 = 1000;

/// Noise that is the same in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        // Marsaglia's xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// The input with one to eight changes of the kinds that fuzzers make.
fn varied(seed: &[u8], others: &[Vec<u8>], noise: &mut Noise) -> Vec<u8> {
    const TELLING: [u8; 10] = [0, 1, 2, 3, 9, 0x7f, 0x80, 0xc3, 0xfe, 0xff];
    let mut input = seed.to_vec();
    for _ in 0..=noise.below(8) {
        let at = noise.below(input.len());
        let to = at + noise.below(input.len().saturating_sub(at).min(64));
        match noise.below(7) {
            0 if !input.is_empty() => input[at] ^= 1 << noise.below(8),
            1 if !input.is_empty() => input[at] = TELLING[noise.below(TELLING.len())],
            2 => drop(input.drain(at..to)),
            3 => input.insert(at.min(input.len()), noise.next() as u8),
            4 => input.truncate(at),
            5 => {
                let again = input[at..to].to_vec();
                input.splice(at..at, again);
            }
            _ => {
                let other = &others[noise.below(others.len())];
                let from = noise.below(other.len());
                let part = &other[from..other.len().min(from + 64)];
                input.splice(at..at, part.iter().copied());
            }
        }
    }
    input
}

#[test]
fn the_laws_hold_for_the_seeds_and_thousands_of_variations() {
    for (name, target) in targets::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(name);
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        assert!(seeds.len() >= 3, "{} has {} seeds", folder.display(), seeds.len());
        let mut noise = Noise(0x6e6f_6e73_746f_7021);
        for (path, seed) in paths.iter().zip(&seeds) {
            target(seed);
            for variation in 0..VARIATIONS {
                let input = varied(seed, &seeds, &mut noise);
                if catch_unwind(|| target(&input)).is_err() {
                    let seed = path.display();
                    panic!("{name}: variation {variation} of {seed} breaks a law: {}", input.escape_ascii());
                }
            }
        }
    }
}

/// Seeds that lead nowhere would make variations of them worthless.
#[test]
fn the_seeds_lead_far_into_the_parsers() {
    let seed = |name: &str| {
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(name)).unwrap()
    };
    for name in ["config/least.toml", "config/whole.toml", "config/packaged.toml"] {
        let config = nonstop::config::parse(&String::from_utf8(seed(name)).unwrap());
        assert!(config.is_ok(), "{name}: {}", config.unwrap_err());
    }
    for name in ["page/one", "page/two"] {
        nonstop::schedule::Page::parse(1, &seed(name)).unwrap();
    }
    for name in ["request/status", "request/skip", "request/queue", "request/plan"] {
        assert!(nonstop::control::protocol::parse(&seed(name)).is_ok(), "{name}");
    }
    for name in ["rtmp/nginx", "rtmp/ffmpeg", "rtmp/from-the-first-byte"] {
        // Just before the end that some of them come to.
        let phases = targets::phases(&seed(name));
        assert!(phases.contains(&nonstop::publish::rtmp::Phase::Live), "{name}: {phases:?}");
    }
}
