//! CBOR (RFC 8949) as services get it, as JSON.

use serde_json::{Map, Number, Value};

/// What the bytes say, and nothing after it.
#[track_caller]
pub fn value(mut bytes: &[u8]) -> Value {
    let value = item(&mut bytes);
    assert!(bytes.is_empty(), "{} bytes are left over", bytes.len());
    value
}

/// The next one; a break, which ends what has no length, is `None`.
fn next(bytes: &mut &[u8]) -> Option<Value> {
    let first = take(bytes, 1)[0];
    let (major, rest) = (first >> 5, first & 31);
    let more = match rest {
        24..=27 => take(bytes, 1 << (rest - 24)),
        _ => &[],
    };
    let big = more.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let number = if rest < 24 { u64::from(rest) } else { big };
    let length = (rest != 31).then_some(number as usize);
    Some(match major {
        0 => number.into(),
        1 => (-1 - i64::try_from(number).expect("it fits")).into(),
        2 => panic!("bytes are in no request"),
        3 => match length {
            Some(length) => text(take(bytes, length)),
            None => std::iter::from_fn(|| next(bytes))
                .map(|part| part.as_str().unwrap_or_default().to_owned())
                .collect(),
        },
        4 => many(length, || next(bytes)).into(),
        5 => {
            let pair = || {
                let Value::String(name) = next(bytes)? else { panic!("a name is text") };
                Some((name, item(bytes)))
            };
            Value::Object(Map::from_iter(many(length, pair)))
        }
        // A tag says what kind of value comes; a time is one.
        6 => item(bytes),
        _ => match rest {
            20 => false.into(),
            21 => true.into(),
            22 | 23 => Value::Null,
            26 => float(f64::from(f32::from_bits(big as u32))),
            27 => float(f64::from_bits(big)),
            31 => return None,
            _ => panic!("{first:#x} is unknown"),
        },
    })
}

fn item(bytes: &mut &[u8]) -> Value {
    next(bytes).expect("a value comes")
}

fn many<T>(length: Option<usize>, next: impl FnMut() -> Option<T>) -> Vec<T> {
    std::iter::from_fn(next).take(length.unwrap_or(usize::MAX)).collect()
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at_checked(length).expect("it is not cut off");
    *bytes = rest;
    taken
}

fn text(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).expect("text is UTF-8").into()
}

/// What JSON has no number for, it has as text.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}
