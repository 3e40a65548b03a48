//! The encoding profile: everything that shapes codec headers, pictures and sound, and its name.
//!
//! Two nodes with the same configuration arrive at the same [`ProfileId`], and what was rendered
//! under one profile joins without a seam. Whatever changes the outcome belongs into
//! [`Profile::canonical`]; a change in how this stage renders raises [`VERSION`].

use crate::config::{Audio, Bitrate, FrameRate, FrameSize, Loudness, Rate, Video};
use crate::media::{ContentHash, Grid, ProfileId, RenditionId};
use sha2::{Digest, Sha256};

/// Raised when the same configuration is rendered in another way than before.
const VERSION: u32 = 1;
/// The built-in card for when there is nothing to play.
pub const CARD: &[u8] = include_bytes!("standby.png");
/// The built-in picture for music that has none: the card without its words.
pub const BACKDROP: &[u8] = include_bytes!("backdrop.png");
/// How long the standby rendition lasts at least, in samples: 8 s, which is whole cells at 30 fps.
pub const STANDBY_SAMPLES: u64 = 8 * crate::media::SAMPLE_RATE;

/// How a channel's renditions are made.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Pixels.
    pub size: FrameSize,
    /// Pictures per second.
    pub fps: FrameRate,
    /// The most pictures from one keyframe to the next; at least one.
    pub gop: u32,
    /// Ceiling of the pictures' bitrate, or the bitrate itself.
    pub bitrate: Bitrate,
    /// How `bitrate` is meant.
    pub rate: Rate,
    /// The H.264 level that size, rate and bitrate need.
    pub level: &'static str,
    /// Bitrate of the sound.
    pub audio_bitrate: Bitrate,
    /// What every track is brought to.
    pub loudness: Loudness,
    id: ProfileId,
}

impl Profile {
    /// The profile of this configuration.
    pub fn new(video: &Video, audio: &Audio) -> Self {
        let gop = (u64::from(video.keyframe.0) * u64::from(video.fps.get()) / 1000).max(1) as u32;
        let mut profile = Self {
            size: video.size,
            fps: video.fps,
            gop,
            bitrate: video.bitrate,
            rate: video.rate,
            level: level(video.size, video.fps, video.bitrate),
            audio_bitrate: audio.bitrate,
            loudness: audio.loudness,
            id: ProfileId::of(&[0; 32]),
        };
        profile.id = ProfileId::of(&digest(&[profile.canonical().as_bytes()]));
        profile
    }

    /// Its name.
    pub fn id(&self) -> &ProfileId {
        &self.id
    }

    /// Its cell arithmetic.
    pub fn grid(&self) -> Grid {
        Grid::new(self.fps)
    }

    /// The name of what this profile makes of a track and a picture.
    pub fn rendition(&self, track: &ContentHash, picture: &ContentHash) -> RenditionId {
        RenditionId::of(&self.digest_with("rendition", track.as_str(), picture.as_str()))
    }

    /// The name of the standby rendition.
    pub fn standby(&self) -> RenditionId {
        self.rendition(&silence_hash(), &card_hash())
    }

    /// The name of the loop that this profile makes of a picture; names a file, not a rendition.
    pub fn picture_loop(&self, picture: &ContentHash) -> RenditionId {
        RenditionId::of(&self.digest_with("loop", "", picture.as_str()))
    }

    fn digest_with(&self, what: &str, track: &str, picture: &str) -> [u8; 32] {
        // The parts are hexadecimal or fixed words, so a newline keeps them apart.
        digest(&[what, self.id.as_str(), track, picture].map(|part| part.as_bytes()))
    }

    /// Everything that shapes the outcome, as text.
    fn canonical(&self) -> String {
        let rate = match self.rate {
            Rate::Capped => "capped",
            Rate::Constant => "constant",
        };
        let loudness = match self.loudness {
            Loudness::Off => "off".to_owned(),
            Loudness::Lufs(lufs) => format!("{lufs:.2}"),
        };
        format!(
            "nonstop profile {VERSION}, format {}\nvideo {}x{} {} fps, gop {}, {rate} {}\naudio {}, loudness {loudness}\n",
            crate::media::rendition::FORMAT,
            self.size.width,
            self.size.height,
            self.fps,
            self.gop,
            self.bitrate.bits(),
            self.audio_bitrate.bits(),
        )
    }
}

/// The content hash of the built-in card.
pub fn card_hash() -> ContentHash {
    ContentHash::of(&digest(&[CARD]))
}

/// The content hash of the built-in picture.
pub fn backdrop_hash() -> ContentHash {
    ContentHash::of(&digest(&[BACKDROP]))
}

/// What stands for a track's content hash in the standby rendition.
pub fn silence_hash() -> ContentHash {
    ContentHash::of(&digest(&[b"silence"]))
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hash.update(b"\n");
        }
        hash.update(part);
    }
    hash.finalize().into()
}

/// H.264 table A-1: level, macroblocks a second, macroblocks a picture, kbit/s (for High × 1.25).
const LEVELS: [(&str, u64, u64, u64); 13] = [
    ("1.3", 11_880, 396, 768),
    ("2", 11_880, 396, 2_000),
    ("2.1", 19_800, 792, 4_000),
    ("2.2", 20_250, 1_620, 4_000),
    ("3", 40_500, 1_620, 10_000),
    ("3.1", 108_000, 3_600, 14_000),
    ("3.2", 216_000, 5_120, 20_000),
    ("4", 245_760, 8_192, 20_000),
    ("4.1", 245_760, 8_192, 50_000),
    ("4.2", 522_240, 8_704, 50_000),
    ("5", 589_824, 22_080, 135_000),
    ("5.1", 983_040, 36_864, 240_000),
    ("5.2", 2_073_600, 36_864, 240_000),
];

/// The lowest level that fits; the highest there is if none does.
fn level(size: FrameSize, fps: FrameRate, bitrate: Bitrate) -> &'static str {
    let picture = u64::from(size.width.div_ceil(16)) * u64::from(size.height.div_ceil(16));
    let second = picture * u64::from(fps.get());
    let fits = |(_, mbps, fs, kbps): &&(_, u64, u64, u64)| {
        second <= *mbps && picture <= *fs && bitrate.bits() <= kbps * 1250
    };
    LEVELS.iter().find(fits).unwrap_or(&LEVELS[LEVELS.len() - 1]).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Keyframe;

    fn video() -> Video {
        Video {
            size: FrameSize { width: 1280, height: 720 },
            fps: FrameRate::new(30).unwrap(),
            keyframe: Keyframe(2000),
            bitrate: Bitrate::from_bits(2_000_000),
            rate: Rate::Capped,
        }
    }

    fn audio() -> Audio {
        Audio { bitrate: Bitrate::from_bits(128_000), loudness: Loudness::Lufs(-14.0) }
    }

    #[test]
    fn whatever_shapes_the_outcome_shapes_the_name() {
        let profile = Profile::new(&video(), &audio());
        assert_eq!((profile.gop, profile.level), (60, "3.1"));
        let others = [
            Profile::new(&Video { size: FrameSize { width: 1920, height: 1080 }, ..video() }, &audio()),
            Profile::new(&Video { fps: FrameRate::new(25).unwrap(), ..video() }, &audio()),
            Profile::new(&Video { keyframe: Keyframe(4000), ..video() }, &audio()),
            Profile::new(&Video { bitrate: Bitrate::from_bits(1), ..video() }, &audio()),
            Profile::new(&Video { rate: Rate::Constant, ..video() }, &audio()),
            Profile::new(&video(), &Audio { bitrate: Bitrate::from_bits(1), ..audio() }),
            Profile::new(&video(), &Audio { loudness: Loudness::Off, ..audio() }),
            Profile::new(&video(), &Audio { loudness: Loudness::Lufs(-14.5), ..audio() }),
        ];
        let names: std::collections::HashSet<_> =
            others.iter().chain([&profile]).map(|profile| profile.id().clone()).collect();
        assert_eq!(names.len(), others.len() + 1);
        assert_eq!(Profile::new(&video(), &audio()).id(), profile.id());
    }

    #[test]
    fn a_rendition_is_named_by_track_picture_and_profile() {
        let profile = Profile::new(&video(), &audio());
        let (a, b) = (ContentHash::of(&[1; 32]), ContentHash::of(&[2; 32]));
        let names = [
            profile.rendition(&a, &b),
            profile.rendition(&b, &a),
            profile.rendition(&a, &a),
            profile.standby(),
            profile.picture_loop(&a),
            Profile::new(&Video { rate: Rate::Constant, ..video() }, &audio()).rendition(&a, &b),
        ];
        assert_eq!(names.iter().collect::<std::collections::HashSet<_>>().len(), names.len());
    }

    #[test]
    fn the_level_is_the_lowest_that_fits() {
        let of = |width, height, fps, kbps: u64| {
            level(FrameSize { width, height }, FrameRate::new(fps).unwrap(), Bitrate::from_bits(kbps * 1000))
        };
        assert_eq!(of(1280, 720, 30, 2_000), "3.1");
        assert_eq!(of(1280, 720, 60, 3_000), "3.2");
        assert_eq!(of(1920, 1080, 30, 5_000), "4");
        assert_eq!(of(1920, 1080, 30, 30_000), "4.1");
        assert_eq!(of(1920, 1080, 60, 5_000), "4.2");
        assert_eq!(of(3840, 2160, 60, 30_000), "5.2");
        assert_eq!(of(854, 480, 30, 1_000), "3.1");
        assert_eq!(of(640, 360, 30, 600), "3");
    }

    #[test]
    fn the_cards_are_small_pictures() {
        for card in [CARD, BACKDROP] {
            assert!(card.len() <= 40_000 && card.starts_with(b"\x89PNG"));
        }
    }
}
