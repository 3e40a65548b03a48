//! FLV read naively: the whole file in memory, tag by tag.

use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Audio,
    Video,
    Script,
}

/// One tag.
#[derive(Clone, Debug)]
pub struct Tag {
    pub kind: Kind,
    /// Milliseconds.
    pub time: u32,
    pub body: Vec<u8>,
}

impl Tag {
    /// Whether it holds sound or a picture, and no codec header or end of sequence.
    pub fn is_frame(&self) -> bool {
        self.kind != Kind::Script && self.body.get(1) == Some(&1)
    }

    pub fn is_header(&self) -> bool {
        self.kind != Kind::Script && self.body.get(1) == Some(&0)
    }

    pub fn is_key(&self) -> bool {
        self.kind == Kind::Video && self.body.first().is_some_and(|b| b >> 4 == 1)
    }
}

/// A file's tags, and how many bytes of a tag that was cut short follow them.
pub fn read(path: &Path) -> (Vec<Tag>, usize) {
    let file = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if file.len() < 13 {
        return (Vec::new(), file.len());
    }
    assert_eq!(&file[..3], b"FLV", "{}", path.display());
    let (mut tags, mut at) = (Vec::new(), 13);
    while at + 11 <= file.len() {
        let head = &file[at..at + 11];
        let len = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
        if at + 11 + len + 4 > file.len() {
            break;
        }
        let kind = match head[0] {
            8 => Kind::Audio,
            9 => Kind::Video,
            18 => Kind::Script,
            other => panic!("{}: tag type {other} at byte {at}", path.display()),
        };
        let time = u32::from_be_bytes([head[7], head[4], head[5], head[6]]);
        tags.push(Tag { kind, time, body: file[at + 11..at + 11 + len].to_vec() });
        at += 11 + len + 4;
    }
    (tags, file.len() - at)
}

/// Writes tags as a file.
pub fn write(path: &Path, tags: &[Tag]) {
    let mut file = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
    for tag in tags {
        let kind = match tag.kind {
            Kind::Audio => 8,
            Kind::Video => 9,
            Kind::Script => 18,
        };
        let (len, time) = (tag.body.len() as u32, tag.time.to_be_bytes());
        file.push(kind);
        file.extend(&len.to_be_bytes()[1..]);
        file.extend([time[1], time[2], time[3], time[0], 0, 0, 0]);
        file.extend(&tag.body);
        file.extend((len + 11).to_be_bytes());
    }
    std::fs::write(path, file).expect("the target folder can be written");
}
