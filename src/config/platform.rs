//! What platforms say about a configuration: not errors, but badges, costs and risks that the
//! operator should choose knowingly.

use super::units::{Bitrate, FrameRate, FrameSize};
use super::{Config, Rate};

/// When the tables here were copied.
pub const AS_OF: &str = "2026-11";

/// A line of YouTube's table of live bitrates: up to so many lines of picture and so many
/// pictures per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Lines of the picture, at most.
    pub lines: u32,
    /// Pictures per second, at most.
    pub fps: u32,
    /// Below this Studio shows a badge.
    pub minimum: Bitrate,
    /// What YouTube recommends for H.264.
    pub recommended: Bitrate,
}

/// Bitrates in Mbps.
const fn row(lines: u32, fps: u32, minimum: u64, recommended: u64) -> Row {
    let minimum = Bitrate::from_bits(minimum * 1_000_000);
    Row { lines, fps, minimum, recommended: Bitrate::from_bits(recommended * 1_000_000) }
}

/// YouTube's table (support.google.com/youtube/answer/2853702), the first row that fits counts.
/// The page's column of minima is headed AV1 and H.265 by now, and once was for all codecs. Copies
/// by third parties differ, 5 Mbps as the minimum of 1080p30 among them.
pub const YOUTUBE: [Row; 8] = [
    row(720, 30, 3, 4),
    row(720, 60, 3, 6),
    row(1080, 30, 3, 10),
    row(1080, 60, 4, 12),
    row(1440, 30, 5, 15),
    row(1440, 60, 6, 24),
    row(2160, 30, 8, 30),
    row(2160, 60, 10, 35),
];

/// YouTube's row for a picture. Above 2160p60 the last one.
pub fn youtube(size: FrameSize, fps: FrameRate) -> &'static Row {
    let fits = |row: &&Row| size.lines() <= row.lines && fps.get() <= row.fps;
    YOUTUBE.iter().find(fits).unwrap_or(&YOUTUBE[YOUTUBE.len() - 1])
}

/// What the operator should know about a configuration that is valid, one sentence each.
pub fn advice(config: &Config) -> Vec<String> {
    let mut advice = Vec::new();
    let video = &config.video;
    for destination in config.destinations.iter().filter(|destination| destination.primary.is_youtube()) {
        let name = &destination.name;
        if destination.backup.is_none() {
            advice.push(format!(
                "{name} has no backup: \"rtmps://b.rtmps.youtube.com/live2?backup=1\" takes the same key and carries the stream when the primary fails"
            ));
        }
        if !destination.primary.tls {
            advice.push(format!(
                "{name} is sent in the clear, stream key and all: \"rtmps://a.rtmps.youtube.com/live2\" is encrypted"
            ));
        }
        let (lines, fps) = (video.size.lines(), video.fps);
        let row = youtube(video.size, fps);
        if video.bitrate < row.minimum {
            advice.push(format!(
                "video.bitrate of {} is below YouTube's table for {lines}p{fps} ({} to {} bits per second, as of {AS_OF}): Studio shows a badge to you, viewers see none",
                video.bitrate, row.minimum, row.recommended
            ));
        } else if video.rate == Rate::Capped {
            advice.push(format!(
                "with rate = \"capped\" a still picture stays below YouTube's table for {lines}p{fps} ({} bits per second and more, as of {AS_OF}), which costs least: Studio shows a badge to you, viewers see none",
                row.minimum
            ));
        }
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row_of(width: u32, height: u32, fps: u32) -> &'static Row {
        youtube(FrameSize::new(width, height).unwrap(), FrameRate::new(fps).unwrap())
    }

    #[test]
    fn a_picture_finds_its_row() {
        assert_eq!(row_of(1280, 720, 30).minimum, Bitrate::from_bits(3_000_000));
        assert_eq!(row_of(720, 1280, 30), row_of(1280, 720, 30), "upright is as large as across");
        assert_eq!(row_of(640, 360, 25), row_of(1280, 720, 30));
        assert_eq!(row_of(1920, 1080, 50).recommended, Bitrate::from_bits(12_000_000));
        assert_eq!(row_of(2400, 2400, 60), &YOUTUBE[7]);
    }

    #[test]
    fn advice_is_about_badge_backup_and_clear_text() {
        let config = |video: &str, destination: &str| {
            let text = format!(
                "[media]\nsource = \"m\"\n[video]\n{video}\n[[destination]]\nkey = {{ file = \"k\" }}\n{destination}"
            );
            crate::config::parse(&text).unwrap()
        };
        let plain = advice(&config("", "primary = \"rtmp://a.rtmp.youtube.com/live2\""));
        assert_eq!(plain.len(), 3, "{plain:?}");
        assert!(
            plain[2].starts_with("video.bitrate of 2M is below YouTube's table for 720p30 (3M to 4M bits"),
            "{plain:?}"
        );
        let backed = "primary = \"rtmps://a.rtmps.youtube.com/live2\"\nbackup = \"rtmps://b.rtmps.youtube.com/live2?backup=1\"";
        assert!(advice(&config("bitrate = \"4M\"\nrate = \"constant\"", backed)).is_empty());
        assert!(advice(&config("", "primary = \"rtmp://localhost/live\"")).is_empty());
    }
}
