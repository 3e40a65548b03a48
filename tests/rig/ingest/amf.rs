//! AMF0 for the ingest: values as a tree.

/// A value. What an ingest does not look at is `Null`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Number(f64),
    Boolean(bool),
    Text(String),
    Object(Vec<(String, Value)>),
}

impl Value {
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// A field of an object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

pub fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// All values in `bytes`; `None` if they are not AMF0 to the last byte.
pub fn decode(mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        values.push(value(&mut bytes)?);
    }
    Some(values)
}

fn value(bytes: &mut &[u8]) -> Option<Value> {
    Some(match take(bytes, 1)?[0] {
        0 => Value::Number(f64::from_be_bytes(take(bytes, 8)?.try_into().ok()?)),
        1 => Value::Boolean(take(bytes, 1)?[0] != 0),
        2 => Value::Text(text(bytes)?),
        kind @ (3 | 8) => {
            if kind == 8 {
                take(bytes, 4)?;
            }
            let mut fields = Vec::new();
            loop {
                let name = text(bytes)?;
                if name.is_empty() && bytes.first() == Some(&9) {
                    take(bytes, 1)?;
                    break Value::Object(fields);
                }
                fields.push((name, value(bytes)?));
            }
        }
        5 | 6 => Value::Null,
        _ => return None,
    })
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    let len = u16::from_be_bytes(take(bytes, 2)?.try_into().ok()?);
    String::from_utf8(take(bytes, len.into())?.to_vec()).ok()
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(n)?;
    *bytes = rest;
    Some(taken)
}

pub fn encode(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        write(&mut out, value);
    }
    out
}

fn write(out: &mut Vec<u8>, value: &Value) {
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u16).to_be_bytes());
        out.extend(text.as_bytes());
    };
    match value {
        Value::Null => out.push(5),
        Value::Number(number) => {
            out.push(0);
            out.extend(number.to_be_bytes());
        }
        Value::Boolean(boolean) => out.extend([1, u8::from(*boolean)]),
        Value::Text(string) => {
            out.push(2);
            text(out, string);
        }
        Value::Object(fields) => {
            out.push(3);
            for (name, value) in fields {
                text(out, name);
                write(out, value);
            }
            out.extend([0, 0, 9]);
        }
    }
}
