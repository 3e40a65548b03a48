//! Bytes in pieces → lines, each bounded: what a child process prints is not to be trusted.

/// A longer line loses its rest.
const LONGEST: usize = 1024;

/// Splits at `\n` and `\r` (which FFmpeg's status lines end with); empty lines are left out.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Gives every line that `bytes` completes to `line`, without its end and without control
    /// characters.
    pub fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for &byte in bytes {
            match byte {
                b'\n' | b'\r' => self.finish(&mut line),
                _ if self.partial.len() < LONGEST => self.partial.push(byte),
                _ => {}
            }
        }
    }

    /// Gives what is left at the end of the output.
    pub fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.partial.is_empty() {
            let text: String =
                String::from_utf8_lossy(&self.partial).chars().filter(|c| !c.is_control()).collect();
            line(&text);
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn however_the_bytes_arrive_the_lines_are_the_same(
            text in "[a-z=\n\r]{0,200}", cuts in prop::collection::vec(1usize..9, 1..50),
        ) {
            let whole: Vec<String> = text.split(['\n', '\r']).filter(|l| !l.is_empty()).map(str::to_owned).collect();
            let (mut lines, mut got, mut rest, mut cuts) = (Lines::default(), Vec::new(), text.as_bytes(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                lines.push(piece, |l| got.push(l.to_owned()));
                rest = tail;
            }
            lines.finish(|l| got.push(l.to_owned()));
            prop_assert_eq!(got, whole);
        }
    }

    #[test]
    fn a_line_without_end_costs_a_kilobyte() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            lines.push(&[b'x'; 4096], |_| panic!("no line ended"));
        }
        assert!(lines.partial.capacity() <= 2 * LONGEST);
        lines.push(b"\n", |line| assert_eq!(line.len(), LONGEST));
    }
}
