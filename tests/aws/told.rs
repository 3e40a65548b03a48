//! What CloudWatch does not take: kept while it may be taken later, and let go where it is refused for
//! itself, so that it holds up nothing newer.

use crate::block_on;
use crate::rig::http::{Answer, Http, answer};
use crate::rig::moto::aws_at;
use nonstop::aws::cloudwatch;
use nonstop::telemetry::metrics::ON_AIR;
use nonstop::telemetry::sample::Sample;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A request on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// The length in bytes of the first request, which is answered with `status`, and of the second.
fn lengths(status: &'static str, code: &'static str) -> (u64, u64) {
    let http = Http::start(move |number, _| match number {
        // As services do that once spoke another protocol.
        0 => Answer::Bytes(answer(
            status,
            &[("smithy-protocol", "rpc-v2-cbor"), ("x-amzn-query-error", &format!("{code};Sender"))],
            b"\xa0",
        )),
        _ => Answer::Bytes(answer("200 OK", &[("smithy-protocol", "rpc-v2-cbor")], b"\xa0")),
    });
    let place = cloudwatch::Place { namespace: "radio".to_owned(), channel: "lofi".to_owned() };
    let samples = || vec![Sample { metric: &ON_AIR, labels: Vec::new(), value: 1.0 }];
    let (soon, cancel) = (Arc::new(Notify::new()), CancellationToken::new());
    block_on(async {
        let sending = cloudwatch::run(aws_at(&http.endpoint()), place, samples, soon.clone(), cancel.clone());
        let asking = async {
            for sent in 1..=2 {
                soon.notify_one();
                let all = async {
                    while http.requests().len() < sent {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::time::timeout(SOON, all).await.expect("a request comes");
            }
            cancel.cancel();
        };
        tokio::join!(sending, asking);
    });
    let length = |head: &String| {
        let lower = head.to_lowercase();
        let (_, rest) = lower.split_once("content-length:").expect("a request says its length");
        rest.lines().next().and_then(|number| number.trim().parse().ok()).expect("it is a number")
    };
    let requests = http.requests();
    (length(&requests[0]), length(&requests[1]))
}

#[test]
fn metrics_wait_for_a_service_that_is_busy_and_not_for_one_that_calls_them_wrong() {
    for (status, code) in
        [("503 Service Unavailable", "ServiceUnavailable"), ("400 Bad Request", "SomethingNew")]
    {
        let (first, second) = lengths(status, code);
        assert!(
            second > first + first / 4,
            "both minutes are in the second request: {first}, {second} bytes"
        );
    }
    for (status, code) in
        [("400 Bad Request", "InvalidParameterValue"), ("413 Content Too Large", "RequestEntityTooLarge")]
    {
        let (first, second) = lengths(status, code);
        assert_eq!(first, second, "what was refused with {status} is not sent again");
    }
}
