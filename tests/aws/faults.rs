//! The bucket when not all is well: every fault is an error that says what it is, in time, and a
//! request is repeated where that is right and nowhere else.

use crate::block_on;
use crate::rig::http::{Answer, Http, answer, s3_error};
use crate::rig::{free_port, moto::aws_at};
use nonstop::aws::{BRIEF, Bucket};
use nonstop::store::{Body, Error, Kind, Objects, Put, Store, Version};
use std::time::{Duration, Instant};

/// What the machine may take on top of a deadline.
const SLACK: Duration = Duration::from_millis(700);
const ETAG: &str = "\"0123456789abcdef0123456789abcdef\"";

fn server(script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> (Http, Bucket) {
    let http = Http::start(script);
    let bucket = aws_at(&http.endpoint()).bucket("music", "lofi");
    (http, bucket)
}

fn version() -> Version {
    Version(ETAG.into())
}

async fn collect(bucket: &Bucket, from: u64) -> (Vec<u8>, Option<Error>) {
    let mut bytes = Vec::new();
    let mut body = match bucket.fetch("a.mp3", &version(), from).await {
        Ok(body) => body,
        Err(error) => return (bytes, Some(error)),
    };
    loop {
        match body.next().await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => return (bytes, None),
            Err(error) => return (bytes, Some(error)),
        }
    }
}

#[test]
fn what_a_bucket_answers_is_told_apart_by_what_there_is_to_do() {
    let cases = [
        ("503 Slow Down", "SlowDown", Kind::Busy, "the service wants fewer requests"),
        ("500 Internal", "InternalError", Kind::Busy, "the service has failed"),
        ("403 Forbidden", "AccessDenied", Kind::Denied, "access is denied (AccessDenied: words)"),
        ("403 Forbidden", "InvalidAccessKeyId", Kind::Credentials, "the credentials are not accepted"),
        ("403 Forbidden", "SignatureDoesNotMatch", Kind::Credentials, "the credentials are not accepted"),
        ("400 Bad Request", "ExpiredToken", Kind::Expired, "the credentials have expired"),
        (
            "403 Forbidden",
            "RequestTimeTooSkewed",
            Kind::Clock,
            "this machine's clock is wrong (RequestTimeTooSkewed",
        ),
        ("404 Not Found", "NoSuchBucket", Kind::Missing, "there is no such bucket"),
        ("301 Moved", "PermanentRedirect", Kind::Region, "it is in another region"),
        ("403 Forbidden", "InvalidObjectState", Kind::Other, "it is archived"),
        ("400 Bad Request", "RequestTimeout", Kind::Busy, "the service has no room for it now"),
        ("400 Bad Request", "IncompleteSignature", Kind::Credentials, "the credentials are not accepted"),
        ("400 Bad Request", "InvalidRequest", Kind::Invalid, "InvalidRequest: words"),
        ("400 Bad Request", "InvalidArgument", Kind::Other, "InvalidArgument: words"),
    ];
    for (status, code, kind, reason) in cases {
        let (http, bucket) = server(move |_, _| Answer::Bytes(s3_error(status, code, "words")));
        block_on(async {
            let error = bucket.get("slots/x.json").await.unwrap_err();
            assert_eq!((error.kind, error.action), (kind, "read"), "{error}");
            let said = error.to_string();
            assert!(
                said.starts_with(&format!("cannot read s3://music/lofi/slots/x.json: {reason}")),
                "{said}"
            );
            assert!(bucket.put_if_absent("slots/x.json", vec![1]).await.is_err(), "{code}");
            assert!(bucket.put_if_match("slots/x.json", vec![1], &version()).await.is_err(), "{code}");
            assert!(bucket.list("slots", "").await.is_err(), "{code}");
        });
        assert_eq!(http.requests().len(), 4, "{code}: each is asked once, and the caller asks again");
    }
    let elsewhere = answer("301 Moved", &[("x-amz-bucket-region", "us-west-2")], b"");
    let (_http, bucket) = server(move |_, _| Answer::Bytes(elsewhere.clone()));
    let error = block_on(bucket.get("x")).unwrap_err();
    assert_eq!((error.kind, &*error.reason), (Kind::Region, "the bucket is in the region us-west-2"));
}

#[test]
fn who_does_not_answer_is_given_up_in_time() {
    let (http, bucket) = server(|_, _| Answer::Hang(Vec::new()));
    let nobody = aws_at(&format!("http://127.0.0.1:{}", free_port())).bucket("music", "lofi");
    block_on(async {
        let start = Instant::now();
        let (read, write) = tokio::join!(bucket.get("x"), bucket.put_if_absent("x", vec![1]));
        assert!(start.elapsed() < BRIEF + SLACK, "{:?}", start.elapsed());
        for error in [read.unwrap_err(), write.unwrap_err()] {
            assert_eq!((error.kind, &*error.reason), (Kind::Unreachable, "no answer within 2.5 s"));
        }
        let start = Instant::now();
        let error = nobody.get("x").await.unwrap_err();
        assert!(start.elapsed() < SLACK, "{:?}", start.elapsed());
        assert_eq!(error.kind, Kind::Unreachable);
        assert!(error.reason.contains("Connection refused"), "{error}");
    });
    assert_eq!(http.requests().len(), 2);
}

#[test]
fn a_head_without_an_end_and_a_small_object_without_an_end_are_given_up_in_time() {
    let heads = [
        "HTTP/1.1 200 OK\r\nX-Endless: ".to_owned(),
        format!("HTTP/1.1 200 OK\r\nETag: {ETAG}\r\nContent-Length: 9\r\n\r\nfour"),
    ];
    for head in heads {
        let (_http, bucket) = server(move |_, _| Answer::Hang(head.clone().into_bytes()));
        let start = Instant::now();
        let error = block_on(bucket.get("x")).unwrap_err();
        assert!(start.elapsed() < BRIEF + SLACK, "{:?}", start.elapsed());
        assert_eq!(error.kind, Kind::Unreachable, "{error}");
    }
}

#[test]
fn after_a_conflict_what_is_there_decides() {
    let conflict = || Answer::Bytes(s3_error("409 Conflict", "ConditionalRequestConflict", "words"));
    let absent = || Answer::Bytes(s3_error("404 Not Found", "NoSuchKey", "words"));
    let there = |etag: &str| Answer::Bytes(answer("200 OK", &[("ETag", etag)], b"theirs"));
    let done = || Answer::Bytes(answer("200 OK", &[("ETag", "\"new\"")], b""));

    // Another write came to nothing: ours is made again.
    let (http, bucket) = server(move |n, _| match n {
        0 => conflict(),
        1 => absent(),
        _ => done(),
    });
    let put = block_on(bucket.put_if_absent("x", vec![1])).unwrap();
    assert_eq!((put, http.requests().len()), (Put::Written(Version("\"new\"".into())), 3));
    assert!(http.requests()[2].to_ascii_lowercase().contains("if-none-match: *"), "{:?}", http.requests());

    // It succeeded: we are refused.
    let (http, bucket) = server(move |n, _| if n == 0 { conflict() } else { there("\"theirs\"") });
    assert_eq!(block_on(bucket.put_if_absent("x", vec![1])).unwrap(), Put::Refused);
    assert_eq!(http.requests().len(), 2);
    let (_http, bucket) = server(move |n, _| if n == 0 { conflict() } else { there("\"theirs\"") });
    assert_eq!(block_on(bucket.put_if_match("x", vec![1], &version())).unwrap(), Put::Refused);
    let (http, bucket) = server(move |n, _| match n {
        0 => conflict(),
        1 => there(ETAG),
        _ => done(),
    });
    let put = block_on(bucket.put_if_match("x", vec![1], &version())).unwrap();
    assert_eq!((put, http.requests().len()), (Put::Written(Version("\"new\"".into())), 3));

    // And it ends.
    let (_http, bucket) = server(move |_, head| if head.starts_with("PUT") { conflict() } else { absent() });
    assert_eq!(block_on(bucket.put_if_absent("x", vec![1])).unwrap_err().kind, Kind::Busy);
}

#[test]
fn a_write_whose_answer_is_lost_is_an_error_and_not_made_again() {
    let (http, bucket) = server(|_, _| Answer::Last(Vec::new()));
    let error = block_on(bucket.put_if_absent("x", vec![1])).unwrap_err();
    assert_eq!(error.kind, Kind::Unreachable, "{error}");
    assert_eq!(http.requests().len(), 1);
}

#[test]
fn a_file_that_breaks_off_is_an_error_and_goes_on_from_where_it_broke() {
    let (_http, bucket) = server(|_, head| {
        let etag = ("ETag", ETAG);
        match head.to_ascii_lowercase().contains("range: bytes=50-") {
            true => Answer::Bytes(answer(
                "206 Partial Content",
                &[etag, ("Content-Range", "bytes 50-99/100")],
                &[2; 50],
            )),
            false => {
                let whole = answer("200 OK", &[etag], &[1; 100]);
                Answer::Last(whole[..whole.len() - 50].to_vec())
            }
        }
    });
    block_on(async {
        let (bytes, error) = collect(&bucket, 0).await;
        let error = error.expect("half of it is missing");
        assert_eq!((bytes, error.kind), (vec![1; 50], Kind::Unreachable), "{error}");
        assert!(error.reason.contains("after 50 bytes"), "{error}");
        let (bytes, error) = collect(&bucket, 50).await;
        assert_eq!((bytes, error), (vec![2; 50], None));
    });
}

#[test]
fn an_answer_that_is_not_what_was_asked_for_is_an_error() {
    let crc = [("ETag", ETAG), ("x-amz-checksum-crc32", "AAAAAA==")];
    let cases = [
        (0, answer("200 OK", &[("ETag", "\"another\"")], b"x"), Kind::Changed, "another by now"),
        (
            0,
            s3_error("412 Precondition Failed", "PreconditionFailed", "words"),
            Kind::Changed,
            "another by now",
        ),
        (0, s3_error("404 Not Found", "NoSuchKey", "words"), Kind::Missing, "no such file"),
        (7, answer("200 OK", &[("ETag", ETAG)], b"whole"), Kind::Other, "from byte 7 on and came from 0"),
        (
            7,
            answer("206 Partial Content", &[("ETag", ETAG), ("Content-Range", "bytes 3-7/8")], b"whole"),
            Kind::Other,
            "from byte 7 on and came from 3",
        ),
        (0, answer("200 OK", &crc, b"not what was stored"), Kind::Other, "not what was stored"),
    ];
    for (from, bytes, kind, reason) in cases {
        let (_http, bucket) = server(move |_, _| Answer::Bytes(bytes.clone()));
        let (_, error) = block_on(collect(&bucket, from));
        let error = error.expect(reason);
        assert!(error.kind == kind && error.reason.contains(reason), "{:?} {error}", error.kind);
    }
    let endless = format!("HTTP/1.1 200 OK\r\nETag: {ETAG}\r\nConnection: close\r\n\r\nno length");
    let (_http, bucket) = server(move |_, _| Answer::Last(endless.clone().into_bytes()));
    let (_, error) = block_on(collect(&bucket, 0));
    assert!(error.expect("it has no length").reason.contains("does not say how long"));
}

#[test]
fn a_stream_that_stalls_or_drips_is_given_up() {
    let head = format!("HTTP/1.1 200 OK\r\nETag: {ETAG}\r\nContent-Length: 1000000\r\n\r\n");
    let (_http, bucket) = server(move |_, _| Answer::Hang([head.as_bytes(), &[7; 100]].concat()));
    block_on(async {
        let mut stalls = bucket.fetch("a.mp3", &version(), 0).await.unwrap();
        assert_eq!(stalls.next().await.unwrap().unwrap().len(), 100);
        // From here on nothing comes, so the clock may run as fast as it can.
        tokio::time::pause();
        let error = stalls.next().await.unwrap_err();
        assert_eq!(
            (error.kind, &*error.reason),
            (Kind::Unreachable, "nothing came for 10 s after 100 bytes")
        );
        tokio::time::resume();

        let mut drips = bucket.fetch("a.mp3", &version(), 0).await.unwrap();
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
        tokio::time::resume();
        let error = drips.next().await.unwrap_err();
        assert_eq!((error.kind, &*error.reason), (Kind::Unreachable, "only 100 bytes came in 30 s"));
    });
}

#[test]
fn a_listing_goes_on_after_a_failure_and_ends_when_it_does_not_go_on() {
    let page = |key: &str, next: &str| {
        let more = if next.is_empty() { "false" } else { "true" };
        let body = format!(
            "<ListBucketResult><IsTruncated>{more}</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>\
             <Contents><Key>lofi/{key}</Key><Size>3</Size><ETag>{ETAG}</ETag></Contents></ListBucketResult>"
        );
        Answer::Bytes(answer("200 OK", &[("Content-Type", "application/xml")], body.as_bytes()))
    };
    let (http, bucket) = server(move |n, _| match n {
        0 => page("a+b.mp3", "more"),
        1 => Answer::Bytes(s3_error("503 Slow Down", "SlowDown", "words")),
        _ => page("c.mp3", ""),
    });
    let objects = block_on(bucket.objects("")).unwrap();
    // A server that does not say that it encoded the keys did not.
    assert_eq!(objects.iter().map(|object| &*object.key).collect::<Vec<_>>(), ["a+b.mp3", "c.mp3"]);
    assert_eq!(http.requests().len(), 3);

    let (_http, bucket) = server(move |_, _| page("a.mp3", "the same for ever"));
    let error = block_on(bucket.objects("")).unwrap_err();
    assert_eq!(error.reason, "the listing does not go on");
    let (_http, bucket) = server(|_, _| Answer::Bytes(answer("200 OK", &[], b"<html>a captive portal")));
    assert_eq!(block_on(bucket.objects("")).unwrap_err().kind, Kind::Other);
}
