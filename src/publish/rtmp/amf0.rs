//! AMF0, the form of RTMP's commands: enough to write them, and to read answers without keeping
//! or trusting them.

/// How deep values may lie in one another. Answers need two levels.
const MAX_DEPTH: u32 = 8;

const NUMBER: u8 = 0;
const BOOLEAN: u8 = 1;
const STRING: u8 = 2;
const OBJECT: u8 = 3;
const NULL: u8 = 5;
const UNDEFINED: u8 = 6;
const REFERENCE: u8 = 7;
const ECMA_ARRAY: u8 = 8;
const OBJECT_END: u8 = 9;
const STRICT_ARRAY: u8 = 10;
const DATE: u8 = 11;
const LONG_STRING: u8 = 12;
const UNSUPPORTED: u8 = 13;
const XML: u8 = 15;
const TYPED_OBJECT: u8 = 16;

/// Writes values one after the other.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn number(mut self, value: f64) -> Self {
        self.0.push(NUMBER);
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn boolean(mut self, value: bool) -> Self {
        self.0.extend([BOOLEAN, u8::from(value)]);
        self
    }

    /// A string; one above 65535 bytes as a long string.
    pub(super) fn string(mut self, value: &str) -> Self {
        if let Ok(len) = u16::try_from(value.len()) {
            self.0.push(STRING);
            self.0.extend(len.to_be_bytes());
        } else {
            self.0.push(LONG_STRING);
            self.0.extend((value.len() as u32).to_be_bytes());
        }
        self.0.extend(value.as_bytes());
        self
    }

    pub(super) fn null(mut self) -> Self {
        self.0.push(NULL);
        self
    }

    /// An object, with the fields that `fields` writes by [`Writer::name`] and a value.
    pub(super) fn object(mut self, fields: impl FnOnce(Self) -> Self) -> Self {
        self.0.push(OBJECT);
        fields(self).end()
    }

    /// An array with names. Its count, which readers take as a hint, must be given ahead.
    pub(super) fn array(mut self, count: u32, fields: impl FnOnce(Self) -> Self) -> Self {
        self.0.push(ECMA_ARRAY);
        self.0.extend(count.to_be_bytes());
        fields(self).end()
    }

    /// A field's name; its value comes next.
    pub(super) fn name(mut self, name: &'static str) -> Self {
        self.0.extend((name.len() as u16).to_be_bytes());
        self.0.extend(name.as_bytes());
        self
    }

    fn end(mut self) -> Self {
        self.0.extend([0, 0, OBJECT_END]);
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// A value, as far as a publisher looks at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Number(f64),
    String(&'a [u8]),
    /// An object or an array with names.
    Fields(Fields<'a>),
    /// Any other value.
    Other,
}

/// Reads values one after the other. `None` once there are no more, or nothing that is AMF0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reader<'a>(&'a [u8]);

/// The fields of an object, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fields<'a>(Reader<'a>);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn value(&mut self) -> Option<Value<'a>> {
        self.value_within(MAX_DEPTH)
    }

    fn value_within(&mut self, depth: u32) -> Option<Value<'a>> {
        let depth = depth.checked_sub(1)?;
        let [kind] = self.array()?;
        Some(match kind {
            NUMBER => Value::Number(f64::from_be_bytes(self.array()?)),
            STRING => Value::String(self.short()?),
            LONG_STRING => Value::String(self.long()?),
            OBJECT => self.fields(depth)?,
            TYPED_OBJECT => {
                self.short()?;
                self.fields(depth)?
            }
            ECMA_ARRAY => {
                self.take(4)?;
                self.fields(depth)?
            }
            STRICT_ARRAY => {
                // Each value takes a byte at least, so a lying count ends with the bytes.
                for _ in 0..u32::from_be_bytes(self.array()?) {
                    self.value_within(depth)?;
                }
                Value::Other
            }
            XML => {
                self.long()?;
                Value::Other
            }
            BOOLEAN | REFERENCE | DATE | NULL | UNDEFINED | UNSUPPORTED => {
                self.take(match kind {
                    BOOLEAN => 1,
                    REFERENCE => 2,
                    DATE => 10,
                    _ => 0,
                })?;
                Value::Other
            }
            _ => return None,
        })
    }

    /// Passes over an object's fields and its end, and gives them to be looked at later.
    fn fields(&mut self, depth: u32) -> Option<Value<'a>> {
        let fields = Fields(*self);
        while self.field(depth)?.is_some() {}
        Some(Value::Fields(fields))
    }

    /// One field, or `Some(None)` at the object's end.
    fn field(&mut self, depth: u32) -> Option<Option<(&'a [u8], Value<'a>)>> {
        let name = self.short()?;
        if name.is_empty() && self.0.first() == Some(&OBJECT_END) {
            self.take(1)?;
            return Some(None);
        }
        Some(Some((name, self.value_within(depth)?)))
    }

    fn short(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_be_bytes(self.array()?);
        self.take(usize::from(len))
    }

    fn long(&mut self) -> Option<&'a [u8]> {
        let len = u32::from_be_bytes(self.array()?);
        self.take(usize::try_from(len).ok()?)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.field(MAX_DEPTH).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = Writer::default()
            .string("onStatus")
            .number(4.0)
            .null()
            .object(|o| o.name("level").string("error").name("fine").boolean(false))
            .array(1, |a| a.name("width").number(1280.0))
            .string(&"x".repeat(70_000))
            .finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.value(), Some(Value::String(b"onStatus")));
        assert_eq!(reader.value(), Some(Value::Number(4.0)));
        assert_eq!(reader.value(), Some(Value::Other));
        let Some(Value::Fields(mut fields)) = reader.value() else { panic!("no object") };
        assert_eq!(fields.next(), Some((&b"level"[..], Value::String(b"error"))));
        assert_eq!(fields.next(), Some((&b"fine"[..], Value::Other)));
        assert_eq!(fields.next(), None);
        let Some(Value::Fields(mut fields)) = reader.value() else { panic!("no array") };
        assert_eq!(fields.next(), Some((&b"width"[..], Value::Number(1280.0))));
        assert!(matches!(reader.value(), Some(Value::String(long)) if long.len() == 70_000));
        assert_eq!(reader.value(), None);
    }

    #[test]
    fn kinds_that_do_not_matter_are_passed_over() {
        let mut bytes = vec![STRICT_ARRAY, 0, 0, 0, 2, NULL, BOOLEAN, 1, DATE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([REFERENCE, 0, 1, UNDEFINED, XML, 0, 0, 0, 1, b'<', UNSUPPORTED]);
        bytes.extend([TYPED_OBJECT, 0, 1, b'T', 0, 1, b'a', STRICT_ARRAY, 0, 0, 0, 0, 0, 0, OBJECT_END]);
        bytes.extend([NUMBER, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
        let mut reader = Reader::new(&bytes);
        for _ in 0..6 {
            assert_eq!(reader.value(), Some(Value::Other));
        }
        assert!(matches!(reader.value(), Some(Value::Fields(_))));
        assert_eq!(reader.value(), Some(Value::Number(1.0)));
    }

    #[test]
    fn nesting_and_counts_that_lie_end_the_reading() {
        assert_eq!(Reader::new(&[STRICT_ARRAY, 0, 0, 0, 1].repeat(1000)).value(), None);
        assert_eq!(Reader::new(&[STRICT_ARRAY, 0xff, 0xff, 0xff, 0xff, NULL, NULL]).value(), None);
        assert_eq!(Reader::new(&[LONG_STRING, 0xff, 0xff, 0xff, 0xff, b'x']).value(), None);
    }

    proptest! {
        #[test]
        fn noise_never_panics_and_every_value_takes_bytes(noise in prop::collection::vec(0u8..20, 0..400)) {
            let mut reader = Reader::new(&noise);
            let mut left = noise.len();
            while let Some(value) = reader.value() {
                prop_assert!(reader.0.len() < left);
                left = reader.0.len();
                if let Value::Fields(fields) = value {
                    prop_assert!(fields.count() <= noise.len());
                }
            }
        }
    }
}
