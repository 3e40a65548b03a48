//! The bodies of the commands that a publisher gives.

use super::StreamInfo;
use super::amf0::Writer;
use crate::config::Secret;

/// The numbers by which answers name the commands that they answer.
pub(super) const CONNECT: f64 = 1.0;
pub(super) const RELEASE_STREAM: f64 = 2.0;
pub(super) const FC_PUBLISH: f64 = 3.0;
pub(super) const CREATE_STREAM: f64 = 4.0;
const PUBLISH: f64 = 5.0;
pub(super) const FC_UNPUBLISH: f64 = 6.0;
const DELETE_STREAM: f64 = 7.0;

pub(super) fn connect(app: &str, tc_url: &str) -> Vec<u8> {
    // Ingests that look at flashVer want an encoder that they know.
    let version = concat!("FMLE/3.0 (compatible; nonstop/", env!("CARGO_PKG_VERSION"), ")");
    begin("connect", CONNECT)
        .object(|o| {
            let o = o.name("app").string(app).name("type").string("nonprivate");
            o.name("flashVer").string(version).name("tcUrl").string(tc_url)
        })
        .finish()
}

/// A command about the stream of this name: the key.
pub(super) fn named(command: &str, number: f64, key: &Secret) -> Vec<u8> {
    begin(command, number).null().string(key.expose()).finish()
}

pub(super) fn create_stream() -> Vec<u8> {
    begin("createStream", CREATE_STREAM).null().finish()
}

pub(super) fn publish(key: &Secret) -> Vec<u8> {
    begin("publish", PUBLISH).null().string(key.expose()).string("live").finish()
}

pub(super) fn delete_stream(stream: u32) -> Vec<u8> {
    begin("deleteStream", DELETE_STREAM).null().number(stream.into()).finish()
}

/// The body of the data message that says what the stream is.
pub(super) fn metadata(info: &StreamInfo) -> Vec<u8> {
    let numbers = [
        ("duration", 0.0),
        ("width", info.width.into()),
        ("height", info.height.into()),
        ("framerate", info.fps.into()),
        // FLV's numbers for H.264 and AAC.
        ("videocodecid", 7.0),
        ("audiocodecid", 10.0),
        // In kbit/s.
        ("videodatarate", info.video_bits as f64 / 1000.0),
        ("audiodatarate", info.audio_bits as f64 / 1000.0),
        ("audiosamplerate", 48_000.0),
        ("audiosamplesize", 16.0),
    ];
    Writer::default()
        .string("@setDataFrame")
        .string("onMetaData")
        .array(numbers.len() as u32 + 2, |a| {
            let a = numbers.iter().fold(a, |a, (name, value)| a.name(name).number(*value));
            let a = a.name("stereo").boolean(true);
            a.name("encoder").string(concat!("nonstop/", env!("CARGO_PKG_VERSION")))
        })
        .finish()
}

fn begin(command: &str, number: f64) -> Writer {
    Writer::default().string(command).number(number)
}
