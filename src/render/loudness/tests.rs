use super::*;
use proptest::prelude::*;

const OUTPUT: &str = "\
[info] Input #0, ogg, from 'file:/m/battle.ogg':
[info]   Duration: 00:05:18.22, start: 0.000000, bitrate: 159 kb/s
[info]   Stream #0:0: Audio: vorbis, 44100 Hz, stereo, fltp, 160 kb/s
[info]       TITLE           : I: 3 LUFS
[Parsed_astats_3 @ 0x55c76f712100] [info] Overall
[Parsed_astats_3 @ 0x55c76f712100] [info] Number of samples: 15274668
[Parsed_ebur128_2 @ 0x55c76f711840] [info] Summary:
  Integrated loudness:
    I:         -12.9 LUFS
    Threshold: -24.0 LUFS
  Loudness range:
    LRA:        20.6 LU
    Threshold: -34.0 LUFS
    LRA low:   -29.9 LUFS
    LRA high:   -9.4 LUFS
  True peak:
    Peak:        3.5 dBFS";

fn read(text: &str) -> Option<Measured> {
    let mut notes = Notes::default();
    text.lines().for_each(|line| notes.line(line));
    Measured::read(&notes)
}

fn measured(loudness: f64, true_peak: f64) -> Measured {
    Measured { loudness: Some(loudness), true_peak: Some(true_peak), ..read(OUTPUT).unwrap() }
}

#[test]
fn the_summaries_are_read() {
    let found = read(OUTPUT).unwrap();
    assert_eq!(
        found,
        Measured {
            samples: 15_274_668,
            loudness: Some(-12.9),
            true_peak: Some(3.5),
            claimed: Some(Duration::from_millis(318_220)),
            guessed: false,
            complaint: None,
        }
    );
    assert_eq!(found.refusal(), None);
}

#[test]
fn silence_is_no_number_and_is_refused() {
    let found = read(&OUTPUT.replace("-12.9", "-70.0").replace("3.5 dBFS", "-inf dBFS")).unwrap();
    assert_eq!((found.loudness, found.true_peak), (None, None));
    assert!(found.refusal().unwrap().starts_with("silent"));
}

#[test]
fn output_without_summaries_is_no_measurement() {
    assert_eq!(read("[error] file:/a: Invalid data found when processing input"), None);
}

#[test]
fn a_damaged_file_plays_if_most_of_it_is_there() {
    let second = SAMPLE_RATE;
    let file = |samples, claimed: Option<u64>, guessed, complaint: bool| {
        let complaint = complaint.then(|| "Header missing".to_owned());
        let claimed = claimed.map(Duration::from_secs);
        Measured { samples, claimed, guessed, complaint, ..measured(-14.0, -2.0) }.refusal()
    };
    assert_eq!(file(91 * second, Some(100), false, true), None);
    assert_eq!(
        file(50 * second, Some(100), false, true).unwrap(),
        "damaged: only 50.0 s of 100.0 s can be decoded (Header missing)"
    );
    // Ends early without a word.
    assert_eq!(
        file(50 * second, Some(100), false, false).unwrap(),
        "damaged: only 50.0 s of 100.0 s can be decoded"
    );
    // … which is no damage if nobody claimed more than a guess.
    assert_eq!(file(50 * second, Some(100), true, false), None);
    assert!(file(50 * second, Some(100), true, true).is_some());
    assert_eq!(file(9 * second, None, false, true), None);
    assert!(file(second / 2, None, false, true).is_some());
    assert_eq!(file(second / 2, None, false, false), None);
    assert!(file(second / 2 - 1, None, false, false).is_some());
}

#[test]
fn music_with_room_above_it_gets_nothing_but_gain() {
    let target = Loudness::Lufs(-14.0);
    assert_eq!(plan(&measured(-9.0, 0.5), target), Treatment { gain: -5.0, limit: None });
    assert_eq!(plan(&measured(-20.0, -7.5), target), Treatment { gain: 6.0, limit: None });
    assert_eq!(
        plan(&measured(-20.0, -3.0), target),
        Treatment { gain: 6.0, limit: Some(CEILING - HEADROOM) }
    );
}

#[test]
fn off_leaves_a_track_as_it_is() {
    let none = Treatment { gain: 0.0, limit: None };
    assert_eq!(plan(&measured(-30.0, 4.0), Loudness::Off), none);
    assert_eq!(judge(&measured(-30.0, 4.0), none, Loudness::Off, 1), Verdict::Good);
}

#[test]
fn what_is_off_is_corrected_by_what_it_is_off() {
    let target = Loudness::Lufs(-14.0);
    let linear = Treatment { gain: 2.0, limit: None };
    assert_eq!(judge(&measured(-14.6, -1.0), linear, target, 1), Verdict::Good);
    // A peak that the encoder pushed over the ceiling.
    let Verdict::Again(next) = judge(&measured(-14.1, -0.5), linear, target, 1) else { panic!("peak") };
    assert_eq!((next.gain, next.limit), (2.0, Some(-1.7)));
    // Loudness that the limiter took away.
    let limited = Treatment { gain: 9.0, limit: Some(-1.8) };
    let Verdict::Again(next) = judge(&measured(-15.5, -1.1), limited, target, 1) else { panic!("loudness") };
    assert_eq!((next.gain, next.limit), (10.5, Some(-1.8)));
}

proptest! {
    #[test]
    fn it_ends_and_never_asks_for_what_the_filters_refuse(
        loudness in -69.0f64..5.0, peak in -60.0f64..20.0, later in prop::collection::vec((-69.0f64..5.0, -60.0f64..20.0), 3),
        target in -30.0f64..-5.0,
    ) {
        let target = Loudness::Lufs(target);
        let mut treatment = plan(&measured(loudness, peak), target);
        for (encodes, (loudness, peak)) in (1..).zip(later) {
            prop_assert!((-60.0..=50.0).contains(&treatment.gain));
            prop_assert!(treatment.limit.is_none_or(|limit| (-24.0..=CEILING).contains(&limit)));
            match judge(&measured(loudness, peak), treatment, target, encodes) {
                Verdict::Good => return Ok(()),
                Verdict::Again(next) => treatment = next,
            }
        }
        prop_assert!(false, "a fourth encode");
    }

    #[test]
    fn noise_never_panics(noise in "\\PC{0,200}") {
        let _ = read(&noise);
        let _ = read(&format!("Duration: {noise}\nNumber of samples: {noise}\nI: {noise}"));
        let _ = clock(&noise);
    }
}
