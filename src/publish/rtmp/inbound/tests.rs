use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

/// A message as a peer sends it: on one of a few chunk streams, so that headers can be compressed.
#[derive(Clone, Debug)]
struct Sent {
    id: u32,
    kind: u8,
    body: Vec<u8>,
    /// The timestamp, or the step of it: what is in the header's field.
    time: u32,
    format: u8,
}

#[derive(Default, Clone)]
struct Last {
    kind: u8,
    len: usize,
    time: u32,
}

/// Writes messages as a peer may: at most one under way on each chunk stream, their chunks
/// interleaved by `turns`, headers as compressed as `format` wants and the last header allows.
/// Gives the messages in the order in which they end, too.
fn write(messages: &[Sent], turns: &[Index]) -> (Vec<u8>, Vec<Sent>) {
    let (mut out, mut ended, mut chunk_size) = (Vec::new(), Vec::new(), 128);
    let mut last = std::collections::HashMap::<u32, Last>::new();
    let mut waiting = messages.to_vec();
    let mut under_way: Vec<(Sent, usize)> = Vec::new();
    for turn in turns.iter().cycle() {
        // The next message starts unless its chunk stream is taken.
        if let Some(next) = waiting.first()
            && under_way.iter().all(|(other, _)| other.id != next.id)
        {
            under_way.push((waiting.remove(0), usize::MAX));
        }
        if under_way.is_empty() {
            break;
        }
        let chosen = turn.index(under_way.len());
        let (message, at) = &mut under_way[chosen];
        let before = last.get(&message.id).cloned();
        let format = if *at < usize::MAX { 3 } else { message.format };
        let format = match &before {
            None => 0,
            Some(before) if format > 1 && (before.kind, before.len) != (message.kind, message.body.len()) => {
                1
            }
            _ => format,
        };
        let now = match (format, before) {
            (3, Some(before)) => before,
            _ => Last { kind: message.kind, len: message.body.len(), time: message.time },
        };
        match message.id {
            id @ 2..=63 => out.push(format << 6 | id as u8),
            id @ 64..=319 => out.extend([format << 6, (id - 64) as u8]),
            id => out.extend([format << 6 | 1, ((id - 64) % 256) as u8, ((id - 64) / 256) as u8]),
        }
        if format < 3 {
            out.extend(&now.time.min(0xff_ffff).to_be_bytes()[1..]);
        }
        if format < 2 {
            out.extend(&(now.len as u32).to_be_bytes()[1..]);
            out.push(now.kind);
        }
        if format < 1 {
            out.extend([1, 0, 0, 0]);
        }
        if now.time >= 0xff_ffff {
            out.extend(now.time.to_be_bytes());
        }
        last.insert(message.id, now);
        let from = if *at < usize::MAX { *at } else { 0 };
        let to = message.body.len().min(from + chunk_size);
        out.extend(&message.body[from..to]);
        *at = to;
        if to == message.body.len() {
            let (message, _) = under_way.remove(chosen);
            if message.kind == SET_CHUNK_SIZE {
                chunk_size = u32::from_be_bytes(message.body[..4].try_into().unwrap()) as usize;
            }
            ended.push(message);
        }
    }
    (out, ended)
}

fn sent() -> impl Strategy<Value = Sent> {
    let id = prop::sample::select(vec![2u32, 3, 63, 64, 319, 320, 65599]);
    let time = prop_oneof![0u32..1000, 0xff_fff0u32..0x100_0010, any::<u32>()];
    let kind = prop::sample::select(vec![USER_CONTROL, COMMAND_AMF0, COMMAND_AMF3, 8, 9, 18, 22, 99]);
    let len = prop_oneof![0usize..5, 0usize..700, 4000usize..4200];
    let body = (len, any::<u8>()).prop_map(|(len, seed)| (0..len).map(|i| (i * 3) as u8 ^ seed).collect());
    let plain = (kind, body);
    let chunk_size = (1u32..1000).prop_map(|size| (SET_CHUNK_SIZE, size.to_be_bytes().to_vec()));
    (id, prop_oneof![4 => plain, 1 => chunk_size], time, 0u8..4)
        .prop_map(|(id, (kind, body), time, format)| Sent { id, kind, body, time, format })
}

fn read(input: &[u8], cuts: &[Index]) -> Result<Vec<Message>, Error> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    at.extend([0, input.len()]);
    at.sort_unstable();
    let (mut reader, mut messages) = (Reader::new(), Vec::new());
    for pair in at.windows(2) {
        let mut bytes = &input[pair[0]..pair[1]];
        while let Some(message) = reader.next(&mut bytes)? {
            messages.push(message);
        }
        assert!(bytes.is_empty());
    }
    Ok(messages)
}

fn held(reader: &Reader) -> usize {
    reader.streams.iter().map(|stream| stream.body.capacity() + size_of::<Stream>()).sum()
}

proptest! {
    #[test]
    fn interleaved_and_compressed_messages_are_put_together_however_they_are_split(
        messages in prop::collection::vec(sent(), 1..12),
        turns in prop::collection::vec(any::<Index>(), 1..40),
        cuts in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        let (input, ended) = write(&messages, &turns);
        prop_assert_eq!(ended.len(), messages.len());
        let expected: Vec<Message> = ended
            .into_iter()
            .filter(|sent| [USER_CONTROL, COMMAND_AMF0, COMMAND_AMF3].contains(&sent.kind))
            .map(|sent| Message { kind: sent.kind, body: sent.body[..sent.body.len().min(4096)].to_vec() })
            .collect();
        prop_assert_eq!(read(&input, &cuts).unwrap(), expected);
    }

    #[test]
    fn noise_never_panics_nor_grows(
        noise in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..8, Just(20u8)], 0..400),
        cuts in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let whole = read(&noise, &[]);
        prop_assert_eq!(&whole, &read(&noise, &cuts));
        let (mut reader, mut bytes) = (Reader::new(), &noise[..]);
        while let Ok(Some(_)) = reader.next(&mut bytes) {}
        prop_assert!(held(&reader) <= MAX_STREAMS * (2 * MAX_KEPT + size_of::<Stream>()));
    }
}

#[test]
fn sixteen_endless_messages_are_held_to_four_kibibytes_each() {
    let mut reader = Reader::new();
    let fed = |reader: &mut Reader, mut bytes: &[u8]| reader.next(&mut bytes);
    assert_eq!(fed(&mut reader, &[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 1, 0, 0]).unwrap(), None);
    for id in 3..18 {
        fed(&mut reader, &[id, 0, 0, 0, 0xff, 0xff, 0xff, COMMAND_AMF0, 0, 0, 0, 0]).unwrap();
        fed(&mut reader, &vec![7; 65_536]).unwrap();
    }
    assert!(held(&reader) <= 16 * (2 * MAX_KEPT + size_of::<Stream>()), "{} bytes", held(&reader));
    assert!(fed(&mut reader, &[18, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0]).is_err(), "a 17th chunk stream");
}

#[test]
fn an_aborted_message_is_forgotten() {
    let ping = [4, 0, 0, 0, 0, 0, 6, USER_CONTROL, 0, 0, 0, 0, 0, 6, 1, 2, 3, 4];
    let mut input = vec![3, 0, 0, 0, 0, 0, 200, COMMAND_AMF0, 0, 0, 0, 0];
    input.extend([9; 128]);
    input.extend([2, 0, 0, 0, 0, 0, 4, ABORT, 0, 0, 0, 0, 0, 0, 0, 3]);
    input.extend(ping);
    // A new message on the aborted chunk stream, by the header that it had: 200 bytes again.
    input.push(0b1100_0011);
    input.extend([8; 128]);
    input.push(0b1100_0011);
    input.extend([8; 72]);
    let messages = read(&input, &[]).unwrap();
    assert_eq!(messages[0], Message { kind: USER_CONTROL, body: ping[12..].to_vec() });
    assert_eq!(messages[1], Message { kind: COMMAND_AMF0, body: vec![8; 200] });
}

#[test]
fn chunk_sizes_that_cannot_be_are_errors() {
    for body in [&[0, 0, 0, 0][..], &[0x80, 0, 0, 0], &[0, 1], &[]] {
        let mut input = vec![2, 0, 0, 0, 0, 0, body.len() as u8, SET_CHUNK_SIZE, 0, 0, 0, 0];
        input.extend(body);
        assert!(read(&input, &[]).is_err(), "{body:?}");
    }
    assert!(read(&[0b1100_0011], &[]).is_err(), "a header that refers to none");
}
