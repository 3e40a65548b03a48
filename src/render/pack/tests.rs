use super::*;
use crate::config::FrameRate;
use proptest::prelude::*;

fn flv(tags: &[(TagKind, Vec<u8>)]) -> Vec<u8> {
    let mut writer = flv::Writer::new(Vec::new()).unwrap();
    for (i, (kind, body)) in tags.iter().enumerate() {
        writer.tag(*kind, 1000 + i as u32, body).unwrap();
    }
    writer.into_inner()
}

fn tags(file: &[u8]) -> Vec<flv::Tag> {
    let mut reader = flv::Reader::new(file).unwrap();
    std::iter::from_fn(|| reader.next_tag().unwrap()).collect()
}

fn aac(n: usize) -> Vec<u8> {
    let mut tags =
        vec![(TagKind::Script, vec![2]), (TagKind::Audio, vec![0xaf, 0, 0x11, 0x90, 0x56, 0xe5, 0])];
    tags.extend((0..n).map(|i| (TagKind::Audio, vec![0xaf, 1, i as u8, (i >> 8) as u8])));
    flv(&tags)
}

fn avc(units: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![0x17, 1, 0, 0, 0];
    for unit in units {
        body.extend((unit.len() as u32).to_be_bytes());
        body.extend(*unit);
    }
    body
}

const AVC_HEADER: [u8; 10] = [0x17, 0, 0, 0, 0, 1, 100, 0, 31, 0xff];

#[test]
fn exactly_the_frames_that_belong_there_are_kept() {
    let mut out = Vec::new();
    audio(&aac(60)[..], &mut out, 50).unwrap();
    let tags = tags(&out);
    assert_eq!(tags.len(), 51);
    assert_eq!(tags[0].body, AAC_HEADER);
    assert_eq!((tags[1].timestamp, tags[1].body[2]), (0, SKIP as u8));
    assert_eq!((tags[50].timestamp, tags[50].body[2]), (49 * 64 / 3, SKIP as u8 + 49));
}

#[test]
fn too_few_frames_or_another_codec_are_errors() {
    let short = audio(&aac(53)[..], io::sink(), 50);
    assert!(matches!(short, Err(Error::Short { got: 49, want: 50 })), "{short:?}");
    let mono = flv(&[(TagKind::Audio, vec![0xaf, 0, 0x11, 0x88])]);
    assert!(matches!(audio(&mono[..], io::sink(), 1), Err(Error::Sound(_))));
}

#[test]
fn what_is_no_picture_goes_and_filler_makes_up_the_rate() {
    let file = flv(&[
        (TagKind::Script, vec![2]),
        (TagKind::Video, AVC_HEADER.to_vec()),
        (TagKind::Video, avc(&[&[6, 5, 9, 9], &[0x65; 500]])),
        (TagKind::Video, avc(&[&[0x41; 10]])),
        (TagKind::Video, avc(&[&[9, 0x10], &[0x41; 10]])),
        (TagKind::Video, vec![0x17, 2, 0, 0, 0]),
    ]);
    let mut out = Vec::new();
    assert_eq!(video(&file[..], &mut out, 30, None).unwrap(), [509, 19, 19]);
    assert_eq!(tags(&out).iter().map(|t| t.timestamp).collect::<Vec<_>>(), [0, 0, 33, 66]);
    let mut out = Vec::new();
    // 300 bytes a picture: the first is over, the second makes up for it in part.
    assert_eq!(video(&file[..], &mut out, 30, Some(72_000)).unwrap(), [509, 91, 300]);
    let last = &tags(&out)[3].body;
    assert_eq!((&last[19..24], last[299]), (&[0, 0, 1, 21, 12][..], 0x80));
}

#[test]
fn a_loop_that_is_too_large_for_its_rate_is_found() {
    // 60 pictures of 2 s: one large, then nothing.
    let mut sizes = vec![10; 60];
    sizes[0] = 100_000;
    assert_eq!(overflow(&sizes, 30, 1_000_000, 1_000_000), 0);
    assert!(overflow(&sizes, 30, 300_000, 1_000_000) > 0, "more than its time's worth");
    assert!(overflow(&sizes, 30, 1_000_000, 500_000) > 0, "more than the buffer");
    // A fit from a full buffer, but not twice in a row.
    let late: Vec<u32> = (0..60).map(|i| if i < 55 { 3_000 } else { 20_000 }).collect();
    assert!(overflow(&late, 30, 1_000_000, 1_000_000) > 0);
}

proptest! {
    #[test]
    fn music_and_margins_fit_and_fill_whole_cells(
        samples in 0u64..1 << 33, fps in prop::sample::select(vec![10u32, 24, 25, 30, 50, 60]),
    ) {
        let grid = Grid::new(FrameRate::new(fps).unwrap());
        let layout = Layout::of(samples, grid);
        prop_assert_eq!(layout.frames * FRAME_SAMPLES, layout.cells * grid.cell_samples());
        // The kept frames' decoded blocks are input blocks SKIP-1 .. SKIP-1+frames; the music is
        // within them with two blocks before and one after, and the encoder gets past the last.
        let (first, end) = ((SKIP - 1) * FRAME_SAMPLES, (SKIP - 1 + layout.frames) * FRAME_SAMPLES);
        let music = LEAD * FRAME_SAMPLES..LEAD * FRAME_SAMPLES + samples;
        prop_assert_eq!(music.start - first, 2 * FRAME_SAMPLES);
        prop_assert!(end - music.end >= FRAME_SAMPLES);
        prop_assert!(end - music.end < FRAME_SAMPLES + grid.cell_samples());
        prop_assert!(layout.input_samples > end + FRAME_SAMPLES);
    }

    #[test]
    fn a_padded_loop_has_exactly_the_bits_of_its_time(sizes in prop::collection::vec(10usize..400, 1..90)) {
        let mut file = vec![(TagKind::Video, AVC_HEADER.to_vec())];
        file.extend(sizes.iter().map(|size| (TagKind::Video, avc(&[&vec![0x41; *size]]))));
        let padded = video(&flv(&file)[..], io::sink(), 30, Some(240_000)).unwrap();
        let (have, due) = (padded.iter().map(|s| u64::from(*s)).sum::<u64>(), 1000 * sizes.len() as u64);
        prop_assert!(due - 6 < have && have <= due, "{} of {}", have, due);
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let body = [&[0x17, 1, 0, 0, 0][..], &noise].concat();
        let _ = slices(&body);
        let _ = video(&flv(&[(TagKind::Video, AVC_HEADER.to_vec()), (TagKind::Video, body)])[..], io::sink(), 30, Some(1 << 20));
    }
}
