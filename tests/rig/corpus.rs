//! Music to test with: cut-outs of real tracks from a Debian music package, in every format that
//! the library takes and in every way in which a file can be odd or broken. Made once, with FFmpeg,
//! below the target folder.

use super::ffmpeg;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where real music is. Fails with what to do if there is none.
pub fn music() -> PathBuf {
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/setup");
    let output = Command::new(setup).arg("--music").output().expect("tests/setup runs");
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success() && !path.is_empty(), "there is no music; `make setup` installs some");
    path.into()
}

/// A file of the corpus.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub name: &'static str,
    /// The music file it is cut from, and the second at which the cut begins. None: not from music.
    from: Option<(&'static str, u32)>,
    /// FFmpeg's arguments after the input.
    args: &'static str,
    /// What is done to the file afterwards.
    then: Then,
    /// Whether it is music that must play, or must be set aside with a reason.
    pub plays: bool,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Nothing,
    /// Cut off at this share of its bytes.
    Truncate(f64),
    /// Emptied.
    Empty,
    /// Overwritten with text.
    Text,
}

const fn plays(name: &'static str, from: &'static str, at: u32, args: &'static str) -> Item {
    Item { name, from: Some((from, at)), args, then: Then::Nothing, plays: true }
}

/// Short pieces, so that a minute of programme has many joins.
pub const SOUND: [Item; 15] = [
    plays("ogg/Vorbis.ogg", "battle.ogg", 20, "-t 7 -c:a libvorbis -q:a 5"),
    plays("mp3/Joint Stereo.mp3", "knolls.ogg", 30, "-t 6 -c:a libmp3lame -b:a 192k"),
    plays(
        "mp3/cover art.mp3",
        "elf-land.ogg",
        10,
        "COVER -t 5 -c:a libmp3lame -b:a 128k -c:v mjpeg -disposition:v attached_pic",
    ),
    plays("wav/44100.wav", "underground.ogg", 15, "-t 5 -ar 44100 -c:a pcm_s16le"),
    plays("flac/96 kHz, 24 bit.flac", "sad.ogg", 12, "-t 6 -ar 96000 -sample_fmt s32 -c:a flac"),
    plays("opus/Opus.opus", "wanderer.ogg", 25, "-t 6 -c:a libopus -b:a 96k"),
    plays("m4a/AAC.m4a", "vengeful.ogg", 10, "-t 6 -c:a aac -b:a 160k"),
    plays("mono/8 kHz.wav", "suspense.ogg", 8, "-t 5 -ar 8000 -ac 1 -c:a pcm_s16le"),
    plays("mono/Mono.mp3", "frantic.ogg", 20, "-t 5 -ac 1 -ar 22050 -c:a libmp3lame -b:a 64k"),
    plays(
        "surround/5.1.flac",
        "revelation.ogg",
        20,
        "-t 5 -af pan=5.1|FL=FL|FR=FR|FC=0.5*FL+0.5*FR|LFE=0.2*FL|BL=0.5*FL|BR=0.5*FR -c:a flac",
    ),
    plays("short/One second.ogg", "loyalists.ogg", 40, "-t 1 -c:a libvorbis -q:a 4"),
    plays("deep/er/and deeper/Ünïcode – ✓.ogg", "knalgan_theme.ogg", 20, "-t 5 -c:a libvorbis -q:a 4"),
    // FFmpeg looks at what is inside, not at the name.
    plays("mislabelled/an ogg.mp3", "silvan_sanctuary.ogg", 20, "-t 5 -c:a libvorbis -f ogg"),
    plays("quiet/Very quiet.flac", "transience.ogg", 30, "-t 6 -af volume=-30dB -c:a flac"),
    plays("loud/Clipped.wav", "siege_of_laurelmor.ogg", 30, "-t 5 -af volume=12dB -c:a pcm_s16le"),
];

/// Files that cannot play. Each must be set aside with a reason that a person understands.
pub const BROKEN: [Item; 6] = [
    // A song that breaks off in the middle is no song.
    Item {
        name: "cut/Half.mp3",
        from: Some(("northerners.ogg", 20)),
        args: "-t 10 -c:a libmp3lame -b:a 128k",
        then: Then::Truncate(0.5),
        plays: false,
    },
    Item { name: "broken/zero bytes.ogg", from: None, args: "", then: Then::Empty, plays: false },
    Item { name: "broken/text.mp3", from: None, args: "", then: Then::Text, plays: false },
    Item {
        name: "broken/a picture.flac",
        from: None,
        args: "-f lavfi -i testsrc2=s=64x64 -frames:v 1 -c:v mjpeg -f image2",
        then: Then::Nothing,
        plays: false,
    },
    Item {
        name: "broken/header only.m4a",
        from: Some(("vengeful.ogg", 10)),
        args: "-t 6 -c:a aac -movflags +faststart",
        then: Then::Truncate(0.01),
        plays: false,
    },
    Item {
        name: "broken/silence.wav",
        from: None,
        args: "-f lavfi -i anullsrc=r=44100:cl=stereo -t 5 -c:a pcm_s16le",
        then: Then::Nothing,
        plays: false,
    },
];

/// Three pieces of a few seconds, for tests that are about something else.
pub const FEW: [Item; 3] = [
    plays("one.ogg", "battle.ogg", 20, "-t 6 -c:a libvorbis -q:a 4"),
    plays("two.mp3", "knolls.ogg", 30, "-t 5 -c:a libmp3lame -b:a 128k"),
    plays("three.ogg", "wanderer.ogg", 25, "-t 7 -c:a libvorbis -q:a 4"),
];

/// Another one, to be added while on air.
pub const LATE: Item = plays("late.ogg", "underground.ogg", 15, "-t 4 -c:a libvorbis -q:a 4");

/// Pieces that are longer than the time in which a recording's place is looked for, so that even a
/// few seconds of them have but one.
pub const LONG: [Item; 3] = [
    plays("long/battle.ogg", "battle.ogg", 5, "-t 45 -c:a libvorbis -q:a 4"),
    plays("long/knolls.mp3", "knolls.ogg", 10, "-t 50 -c:a libmp3lame -b:a 128k"),
    plays("long/wanderer.ogg", "wanderer.ogg", 15, "-t 48 -c:a libvorbis -q:a 4"),
];

impl Item {
    /// The file itself, made if it is not there yet.
    pub fn file(&self) -> PathBuf {
        static MAKING: std::sync::Mutex<()> = std::sync::Mutex::new(());
        // A test that failed while it made a file must not fail the others.
        let _one_at_a_time = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus-1").join(self.name);
        if !path.exists() {
            std::fs::create_dir_all(path.parent().expect("it lies in a folder"))
                .expect("the target folder can be written");
            let made = path.with_file_name(format!(".making-{}", std::process::id()));
            self.make(&path, &made);
            std::fs::rename(&made, &path).expect("it can be renamed");
        }
        path
    }

    fn make(&self, path: &Path, made: &Path) {
        match self.then {
            Then::Empty => return std::fs::write(made, b"").expect("it can be written"),
            Then::Text => {
                let text = "This is no music.\n".repeat(500);
                return std::fs::write(made, text).expect("it can be written");
            }
            Then::Nothing | Then::Truncate(_) => {}
        }
        let (input, seek, cover);
        let mut args = vec!["-v", "error", "-y"];
        if let Some((from, at)) = self.from {
            (input, seek) = (music().join(from), at.to_string());
            args.extend(["-ss", &seek, "-i", input.to_str().expect("Debian's paths are UTF-8")]);
        }
        cover = background();
        for word in self.args.split(' ').filter(|word| !word.is_empty()) {
            match word {
                "COVER" => args.extend([
                    "-i",
                    cover.to_str().expect("our own paths are UTF-8"),
                    "-map",
                    "0:a",
                    "-map",
                    "1:v",
                ]),
                word => args.push(word),
            }
        }
        let title = format!("title={}", path.file_stem().expect("it has a name").to_string_lossy());
        args.extend(["-map_metadata", "-1", "-metadata", &title, "-metadata", "artist=The Rig"]);
        // The temporary name has no extension, so the format is said unless the arguments do.
        if !self.args.contains(" -f ogg") && !self.args.contains("image2") {
            let extension = path.extension().expect("it has an extension").to_str().expect("of ASCII");
            args.extend(["-f", if extension == "m4a" { "ipod" } else { extension }]);
        }
        args.push(made.to_str().expect("our own paths are UTF-8"));
        let output = ffmpeg::run(&args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        if let Then::Truncate(share) = self.then {
            let file = std::fs::File::options().write(true).open(made).expect("it was just written");
            let len = file.metadata().expect("it is open").len();
            file.set_len((len as f64 * share) as u64).expect("it can be cut");
        }
    }

    /// Copies it into a music folder, under its own name.
    pub fn put(&self, folder: &Path) -> PathBuf {
        let path = folder.join(self.name);
        std::fs::create_dir_all(path.parent().expect("it lies in a folder"))
            .expect("the folder can be written");
        std::fs::copy(self.file(), &path).expect("it can be copied");
        path
    }
}

/// A picture with edges, gradients and saturated colours, 16:9, as JPEG.
pub fn background() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("background-{}.jpg", std::process::id()));
        let graph = "gradients=s=1280x720:n=4:c0=0x102040:c1=0x904020:c2=0x208060:c3=0xe0c080:seed=7:d=1,\
                     drawgrid=w=160:h=90:t=2:c=white@0.4,drawbox=x=400:y=200:w=480:h=320:c=red@0.7:t=fill";
        let output = ffmpeg::run(&[
            "-v",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            graph,
            "-frames:v",
            "1",
            "-q:v",
            "2",
            path.to_str().expect("UTF-8"),
        ]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    });
    made.clone()
}
