use super::*;
use crate::config::{Audio, Bitrate, FrameRate, FrameSize, Keyframe, Loudness, Video};
use proptest::prelude::*;

fn profile(rate: Rate) -> Profile {
    let video = Video {
        size: FrameSize { width: 1280, height: 720 },
        fps: FrameRate::new(30).unwrap(),
        keyframe: Keyframe(2000),
        bitrate: Bitrate::from_bits(2_000_000),
        rate,
    };
    Profile::new(&video, &Audio { bitrate: Bitrate::from_bits(128_000), loudness: Loudness::Lufs(-14.0) })
}

fn tool() -> Tool {
    Tool::read(["ffmpeg version 5.1.9", "configuration: --enable-libsoxr"].into_iter()).unwrap()
}

/// As a person would read it.
fn shown(args: Args) -> String {
    args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_call_is_as_it_was() {
    let (track, out, p) = (Path::new("/m/a.ogg"), Path::new("/c/out.flv"), profile(Rate::Capped));
    let treatment = Treatment { gain: 5.25, limit: Some(-1.8) };
    insta::assert_snapshot!("measure", shown(measure(track, &tool())));
    insta::assert_snapshot!("encode", shown(encode(track, 480_000, treatment, &p, &tool(), out)));
    insta::assert_snapshot!("silence", shown(silence(384_000, &p, out)));
    insta::assert_snapshot!("verify_audio", shown(verify_audio(out)));
    insta::assert_snapshot!("verify_video", shown(verify_video(out)));
    let frame = Path::new("/c/frame.yuv");
    let picture = picture(Path::new("/m/b.jpg"), "jpeg_pipe", "transpose=clock,", Fit::Cover, &p, frame);
    insta::assert_snapshot!("picture", shown(picture));
    insta::assert_snapshot!("still", shown(still(frame, &p, 2_000_000, out)));
    insta::assert_snapshot!("count", shown(count(Path::new("/m/b.mp4"), "mov", &p)));
    let cut = Loop::of(130, p.gop);
    insta::assert_snapshot!("clip", shown(clip(Path::new("/m/b.mp4"), "mov", cut, &p, 2_000_000, out)));
}

#[test]
fn music_that_needs_nothing_is_given_nothing() {
    let args = shown(encode(
        Path::new("/m/a.ogg"),
        480_000,
        Treatment { gain: 0.0, limit: None },
        &profile(Rate::Capped),
        &Tool { soxr: false, ..tool() },
        Path::new("/c/out.flv"),
    ));
    assert!(!["volume", "limiter", "soxr"].iter().any(|word| args.contains(word)), "{args}");
}

#[test]
fn another_program_is_no_ffmpeg() {
    assert_eq!(Tool::read(["bash: ffmpeg: not found"].into_iter()), None);
    assert_eq!(Tool::read(std::iter::empty()), None);
}

proptest! {
    #[test]
    fn a_foreign_name_is_one_argument_and_never_an_option(name in "\\PC{1,40}") {
        let path = Path::new("/m").join(name.replace('/', "_"));
        let want = [OsString::from("-i"), url(&path)];
        for args in [measure(&path, &tool()), count(&path, "mov", &profile(Rate::Capped))] {
            prop_assert_eq!(args.windows(2).filter(|pair| *pair == want).count(), 1);
            prop_assert_eq!(args.iter().filter(|arg| *arg == "-i").count(), 1);
        }
    }

    #[test]
    fn gops_are_even_and_none_is_too_long(frames in 0u64..100_000, most in 1u32..240) {
        let cut = Loop::of(frames, most);
        prop_assert!(cut.gop >= 1 && cut.gop <= most);
        prop_assert!(cut.frames >= frames && (frames == 0 || cut.frames.is_multiple_of(frames)));
        let last = (cut.frames - 1) % u64::from(cut.gop) + 1;
        let gops = cut.frames.div_ceil(cut.gop.into());
        prop_assert!(u64::from(cut.gop) - last < gops, "the last of {} GOPs of {} has {}", gops, cut.gop, last);
        // A short clip is repeated, so that keyframes are not more frequent than they need be.
        prop_assert!(cut.frames > u64::from(most) / 2);
    }
}
