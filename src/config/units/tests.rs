//! What units print they read back, and what they refuse.

use super::*;
use proptest::prelude::*;

fn round_trips<T: FromStr<Err = Unfit> + fmt::Display + fmt::Debug + PartialEq>(value: T) {
    assert_eq!(value.to_string().parse::<T>(), Ok(value));
}

proptest! {
    #[test]
    fn what_a_unit_prints_it_reads_back(
        number in any::<u64>(), scale in 0u32..13,
        fps in 10u32..=60, width in 64u32..=2000, height in 64u32..=2000,
        millis in 200u32..=4000, lufs in -30.0..=-5.0f64,
    ) {
        let number = number / 10u64.pow(19 - scale) * 10u64.pow(scale / 2);
        round_trips(Bitrate(number));
        round_trips(ByteSize(number));
        round_trips(ByteSize(number.saturating_mul(1024)));
        FrameRate::new(fps).into_iter().for_each(round_trips);
        FrameSize::new(width * 2, height * 2).into_iter().for_each(round_trips);
        round_trips(Keyframe(millis));
        round_trips(Loudness::Lufs(lufs));
    }

    #[test]
    fn no_text_makes_a_unit_panic(text in "\\PC{0,12}|[0-9.kKmMsGiB-]{0,24}") {
        let _ = (text.parse::<Bitrate>(), text.parse::<ByteSize>(), text.parse::<FrameRate>());
        let _ = (text.parse::<FrameSize>(), text.parse::<Keyframe>(), text.parse::<Loudness>());
    }
}

#[test]
fn bitrates_read_as_operators_write_them() {
    for (text, bits) in
        [("2000k", 2_000_000), ("2M", 2_000_000), ("2.5M", 2_500_000), ("128K", 128_000), ("96000", 96_000)]
    {
        assert_eq!(text.parse(), Ok(Bitrate(bits)), "{text}");
    }
    for text in
        ["", "k", "-1k", "2.0000001k", "2G", "1e6", "2M k", "99999999999999999999", "2..5M", ".", "2.M"]
    {
        assert!(text.parse::<Bitrate>().is_err(), "{text:?}");
    }
}

#[test]
fn a_frame_rate_that_cannot_be_names_the_nearest_that_can() {
    for (text, nearest) in [("29.97", "30"), ("23.976", "24"), ("59.94", "60"), ("120", "60"), ("1", "10")] {
        let hint = text.parse::<FrameRate>().unwrap_err().hint.unwrap();
        assert!(hint.ends_with(&format!("the nearest is {nearest}")), "{text}: {hint}");
    }
}

#[test]
fn keyframes_come_at_whole_pictures() {
    let at = |millis, fps| Keyframe(millis).pictures(FrameRate::new(fps).unwrap());
    assert_eq!((at(2000, 30), at(1500, 24), at(1250, 30)), (Some(60), Some(36), None));
    assert!("2".parse::<Keyframe>().is_err(), "a time needs its unit");
    assert!("4.001s".parse::<Keyframe>().is_err());
}

#[test]
fn sizes_are_even_and_within_2160p() {
    assert_eq!("1280x720".parse(), Ok(FrameSize { width: 1280, height: 720 }));
    assert_eq!("1080x1920".parse::<FrameSize>().map(FrameSize::lines), Ok(1080));
    for text in ["1281x720", "3840x2162", "126x720", "x", "720p", "4294967294x4294967294"] {
        assert!(text.parse::<FrameSize>().is_err(), "{text}");
    }
}
