//! Any folder of music plays, and sounds and looks as it should.

use crate::rig::corpus::{BROKEN, SOUND};
use crate::rig::daemon::Channel;
use crate::rig::nginx::Nginx;
use crate::rig::{corpus, ffmpeg, flv, recording, wait};
use crate::{RENDERED, SOON, soaked};
use std::collections::BTreeSet;
use std::time::Duration;

/// What counts as silent, in dBFS, in what was recorded.
const SILENT: f32 = -60.0;

#[test]
fn every_kind_of_file_plays_without_a_seam_or_is_set_aside_with_its_reason() {
    let nginx = Nginx::start();
    let mut channel = Channel::with("music", &SOUND);
    BROKEN.iter().for_each(|item| drop(item.put(&channel.music)));
    channel.to("here", &nginx.url(), None, "");
    let mut daemon = channel.run();
    daemon.wait_for_music(RENDERED);
    let library = daemon.wait_for("all is rendered", Duration::from_secs(240), |s| {
        let library = &s["library"];
        let done = library["ready"].as_u64()? == SOUND.len() as u64
            && library["quarantined"].as_array()?.len() == BROKEN.len();
        done.then(|| library.clone())
    });
    for set_aside in library["quarantined"].as_array().expect("a list") {
        let source = set_aside["source"].as_str().expect("a path");
        let reason = set_aside["reason"].as_str().expect("a reason");
        assert!(BROKEN.iter().any(|item| item.name == source), "{source} should play: {reason}");
        assert!(reason.len() > 10, "{source} has no reason that helps: {reason:?}");
    }
    // Until everything that can play has played, and for longer in a soak.
    let expected: BTreeSet<&str> = SOUND.iter().map(|item| item.name).collect();
    let mut played = BTreeSet::new();
    wait::until("every track has been on air", Duration::from_secs(400), || {
        let now = daemon.status()?["now"]["source"].as_str()?.to_owned();
        played.insert(now);
        (played.len() == expected.len()).then_some(())
    });
    assert!(played.iter().all(|source| expected.contains(source.as_str())), "{played:?}");
    wait::let_pass(Duration::from_secs(soaked(5, 600)));
    assert_eq!(daemon.stop(), 0);
    wait::until("nginx has written all", SOON, || (!nginx.has_publisher()).then_some(()));

    let mut programme = channel.programme();
    let proof = recording::prove(&nginx.recordings(), &mut programme);
    let seconds = proof.unbroken();
    assert!(seconds > 60.0, "{seconds} s were recorded");
    assert_eq!(proof.spans.len(), 1, "one session, never broken:\n{}", proof.describe());

    let span = &proof.spans[0];
    let sound = ffmpeg::samples(&span.path);
    let at = |cell: u64| {
        (cell * programme.cell_samples()).checked_sub(span.audio.start * 1024).map(|n| n as usize)
    };
    let mut bodies = 0;
    let mut music = Vec::new();
    for entry in &programme.entries {
        let (Some(from), Some(to)) = (at(entry.start), at(entry.start + entry.cells)) else { continue };
        let Some(sound) = sound.get(from..to) else { continue };
        let source = ffmpeg::samples(&channel.music.join(&entry.source));
        silences_are_those_of_the_source(&entry.source, sound, &source, programme.cell_samples());
        bodies += 1;
        music.push(from..to);
    }
    assert!(bodies >= SOUND.len() - 2, "only {bodies} whole tracks were recorded");

    // The music alone: before it the standby was on air, silent and with a card of its own.
    let only = span.path.with_file_name("music.flv");
    let ms = |sample: usize| (sample / 48) as u32;
    let (from, to) = (ms(music[0].start), ms(music[bodies - 1].end));
    let (tags, _) = flv::read(&span.path);
    let kept: Vec<_> = tags.into_iter().filter(|t| !t.is_frame() || (from..to).contains(&t.time)).collect();
    flv::write(&only, &kept);
    let likeness = ffmpeg::least_likeness(&only, &corpus::background(), channel.size.0, channel.size.1, 45);
    assert!(likeness > 0.93, "the pictures are not the background: SSIM {likeness}");
    let loudness = ffmpeg::loudness(&only);
    assert!((-15.0..=-13.0).contains(&loudness), "{loudness} LUFS");
}

/// The longest silence inside a track's body is that of its source, and what is silent before and
/// after it is what the source has there, and at most a cell more.
#[track_caller]
fn silences_are_those_of_the_source(name: &str, sound: &[f32], source: &[f32], cell: u64) {
    let power = |s: &[f32]| s.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().max(1e-12);
    let gain = (10.0 * (power(sound) / power(source)).log10()) as f32;
    // A decibel of leeway for what AAC does at the threshold.
    let (heard, meant) = (edges(sound, SILENT), edges(source, SILENT - gain + 1.0));
    assert!(
        heard.inside <= meant.inside + 0.03,
        "{name}: {:.3} s of silence inside, where the source has {:.3} s",
        heard.inside,
        meant.inside
    );
    let (around, cell) = (heard.before + heard.after - meant.before - meant.after, cell as f64 / 48_000.0);
    assert!(around <= cell + 0.1, "{name}: {around:.3} s more silence around it than the source has");
}

struct Silences {
    before: f64,
    inside: f64,
    after: f64,
}

fn edges(sound: &[f32], level: f32) -> Silences {
    let loud = |x: &f32| x.abs() >= 10f32.powf(level / 20.0);
    let seconds = |n: usize| n as f64 / 48_000.0;
    let first = sound.iter().position(loud).unwrap_or(sound.len());
    let last = sound.iter().rposition(loud).map_or(first, |n| n + 1);
    Silences {
        before: seconds(first),
        inside: ffmpeg::longest_silence(&sound[first..last], level),
        after: seconds(sound.len() - last),
    }
}

#[test]
fn an_empty_folder_is_on_air_with_the_standby_until_music_comes() {
    let nginx = Nginx::start();
    let mut channel = Channel::new("empty");
    channel.to("here", &nginx.url(), None, "");
    let mut daemon = channel.run();
    daemon.wait_for("the standby is on air", RENDERED, |s| (s["standby"] == true).then_some(()));
    daemon.wait_for_ingest(0, 0, "live", RENDERED);
    nginx.wait_for_more(SOON);
    corpus::FEW[0].put(&channel.music);
    daemon.wait_for_music(RENDERED);
    wait::let_pass(Duration::from_secs(4));
    assert_eq!(daemon.stop(), 0);
    let proof = recording::prove(&nginx.recordings(), &mut channel.programme());
    assert!(proof.unbroken() > 6.0);
}

#[test]
fn pictures_and_sound_stay_together_at_every_frame_rate() {
    for (fps, keyframe, rate) in [(24, "2s", "capped"), (25, "4s", "capped"), (60, "1s", "constant")] {
        let nginx = Nginx::start();
        let mut channel = Channel::with("rates", &corpus::FEW[..2]);
        (channel.fps, channel.keyframe, channel.rate, channel.size) = (fps, keyframe, rate, (426, 240));
        channel.to("here", &nginx.url(), None, "");
        channel.render();
        let mut daemon = channel.run();
        daemon.wait_for_music(RENDERED);
        daemon.wait_for_ingest(0, 0, "live", SOON);
        wait::let_pass(Duration::from_secs(8));
        assert_eq!(daemon.stop(), 0);
        let proof = recording::prove(&nginx.recordings(), &mut channel.programme());
        assert!(proof.unbroken() > 6.0, "{fps} fps:\n{}", proof.describe());
    }
}
