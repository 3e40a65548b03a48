//! Where the music is: a folder on this machine, or a bucket.

use super::units::Unfit;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A media source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder on this machine.
    Folder(PathBuf),
    /// `s3://bucket/prefix`.
    Bucket {
        /// Its name.
        bucket: String,
        /// Without slashes at its ends; may be empty.
        prefix: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl FromStr for Source {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        const SHAPE: &str = "write a folder, as in \"/srv/music\", or \"s3://bucket/prefix\"";
        if text.is_empty() || text.len() > 4096 || text.chars().any(char::is_control) {
            return Err(Unfit::new("is no folder and no bucket", SHAPE));
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if !is_bucket_name(bucket) {
                let hint = "bucket names have 3 to 63 lower-case letters, digits, dots and hyphens";
                return Err(Unfit::new("names no bucket", hint));
            }
            let prefix = prefix.trim_matches('/').to_owned();
            return Ok(Self::Bucket { bucket: bucket.to_owned(), prefix });
        }
        if text.contains("://") {
            return Err(Unfit::new("is no folder and no s3:// bucket", SHAPE));
        }
        if text.starts_with('~') {
            return Err(Unfit::new(
                "starts with `~`, which only a shell understands",
                "write the whole path",
            ));
        }
        Ok(Self::Folder(text.into()))
    }
}

/// Amazon's rule for general purpose buckets.
fn is_bucket_name(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| letter(b) || b == b'-' || b == b'.')
        && name.bytes().next().is_some_and(letter)
        && name.bytes().last().is_some_and(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folders_and_buckets_are_told_apart() {
        let bucket =
            |bucket: &str, prefix: &str| Source::Bucket { bucket: bucket.into(), prefix: prefix.into() };
        assert_eq!("s3://music-7/lofi/".parse(), Ok(bucket("music-7", "lofi")));
        assert_eq!("s3://music-7".parse(), Ok(bucket("music-7", "")));
        assert_eq!("../music".parse(), Ok(Source::Folder("../music".into())));
        for text in
            ["", "s3://", "s3:///x", "s3://A/x", "s3://ab", "s3://-abc", "gs://bucket", "~/music", "a\nb"]
        {
            assert!(text.parse::<Source>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_source_prints_as_it_reads(text in "s3://[a-z0-9]{3,9}(/[a-z/]{0,9})?|/?[a-z ./]{1,12}") {
            let source: Source = text.parse().unwrap();
            prop_assert_eq!(source.to_string().parse::<Source>(), Ok(source));
        }
    }
}
