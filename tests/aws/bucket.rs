//! The bucket when all is well.

use crate::block_on;
use crate::rig::http::{Answer, Http, answer};
use crate::rig::{
    Scratch,
    moto::{Moto, aws_at},
};
use crate::store::laws;
use nonstop::store::{Body, Kind, Objects};
use std::time::Instant;

#[test]
fn a_bucket_is_a_store() {
    let moto = Moto::shared();
    moto.make_bucket("laws-store");
    block_on(async {
        let one = moto.aws().bucket("laws-store", "lofi");
        let other = moto.aws().bucket("laws-store", "lofi");
        laws::store(&one, &other).await;
        // A channel beside it is none of its business, and the other way round.
        let beside = moto.aws().bucket("laws-store", "lofi2");
        laws::store(&beside, &beside.clone()).await;
    });
}

#[test]
fn a_bucket_is_a_place_for_files() {
    let moto = Moto::shared();
    moto.make_bucket("laws-objects");
    let scratch = Scratch::new("laws-objects");
    block_on(async {
        laws::objects(&moto.aws().bucket("laws-objects", "lofi"), scratch.path()).await;
        // A channel that has the bucket for itself sees the other as a folder; it starts empty.
        moto.make_bucket("laws-objects-2");
        laws::objects(&moto.aws().bucket("laws-objects-2", ""), scratch.path()).await;
    });
}

#[test]
fn ten_thousand_objects_are_listed_in_the_order_of_their_keys() {
    // moto takes minutes to be given so many, so this speaks for it: a thousand a page, in order,
    // after the key or the token that the request names.
    let keys: Vec<_> = (0..10_000).map(|i| format!("lofi/{i:05}%20a.mp3")).collect();
    let http = Http::start(move |_, head| {
        let query = head.split_whitespace().nth(1).and_then(|target| target.split_once('?')).unwrap().1;
        let named = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let after =
            named("continuation-token").or(named("start-after")).unwrap_or_default().replace("%2F", "/");
        let page: Vec<_> = keys.iter().skip_while(|key| key.as_str() <= after.as_str()).take(1000).collect();
        let last = page.last().is_none_or(|key| *key == keys.last().unwrap());
        let mut body =
            format!("<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{}</IsTruncated>", !last);
        if let Some(key) = page.last() {
            body += &format!(
                "<NextContinuationToken>{}</NextContinuationToken>",
                key.split('%').next().unwrap().to_owned() + "~"
            );
        }
        for key in page {
            body += &format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-22T12:00:00.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>4000000</Size><StorageClass>STANDARD</StorageClass></Contents>"
            );
        }
        body += "</ListBucketResult>";
        Answer::Bytes(answer("200 OK", &[("Content-Type", "application/xml")], body.as_bytes()))
    });
    block_on(async {
        let bucket = aws_at(&http.endpoint()).bucket("many", "lofi");
        let start = Instant::now();
        let objects = bucket.objects("").await.unwrap();
        println!("10,000 objects in {:?}", start.elapsed());
        assert_eq!((objects.len(), &*objects[9_999].key), (10_000, "09999 a.mp3"));
        assert!(objects.is_sorted_by(|a, b| a.key < b.key));
        let (mut after, mut pages, mut count) = (String::new(), 0, 0);
        loop {
            let page = bucket.page(&after).await.unwrap();
            (pages, count) = (pages + 1, count + page.objects.len());
            if page.last {
                break;
            }
            after = page.objects.last().unwrap().key.replace(" a.mp3", "~");
        }
        assert_eq!((pages, count), (10, 10_000));
    });
    assert_eq!(http.requests().len(), 20);
}

#[test]
fn a_large_file_goes_up_in_parts_and_comes_down_whole_or_from_any_byte() {
    let moto = Moto::shared();
    moto.make_bucket("large");
    let scratch = Scratch::new("large");
    // Three parts, the last one short.
    let content: Vec<u8> =
        (0..5_000_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let file = scratch.path().join("mix.flac");
    std::fs::write(&file, &content).unwrap();
    block_on(async {
        let bucket = moto.aws().bucket("large", "lofi");
        let version = bucket.upload("mix.flac", &file).await.unwrap();
        assert!(version.0.contains("-3"), "three parts: {version:?}");
        for from in [0, 1, 9_000_000, content.len() as u64] {
            let mut rest = bucket.fetch("mix.flac", &version, from).await.unwrap();
            let mut at = from as usize;
            while let Some(piece) = rest.next().await.unwrap() {
                assert!(content[at..].starts_with(&piece), "from {from}, at {at}");
                at += piece.len();
            }
            assert_eq!(at, content.len());
        }
        // Replaced while it is being fetched: what comes is the old one whole, or an error.
        let mut rest = bucket.fetch("mix.flac", &version, 0).await.unwrap();
        rest.next().await.unwrap();
        std::fs::write(&file, b"another").unwrap();
        bucket.upload("mix.flac", &file).await.unwrap();
        let error = bucket.fetch("mix.flac", &version, 5).await.map(drop).unwrap_err();
        assert_eq!(error.kind, Kind::Changed, "{error}");
    });
}
