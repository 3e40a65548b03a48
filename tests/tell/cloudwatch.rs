//! Metrics and a copy of the log in CloudWatch, over the wire.

use crate::RENDERED;
use crate::rig::corpus::FEW;
use crate::rig::daemon::{Channel, KEY};
use crate::rig::moto::Moto;
use crate::rig::nginx::Nginx;
use crate::rig::wait;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// The first metrics are sent after ten seconds, and the log every five.
const SENT: Duration = Duration::from_secs(40);

/// CloudWatch, as far as it takes metrics in the protocol that the SDK speaks, which moto does not:
/// each request's body, once its head is that of the one operation.
fn cloudwatch() -> (SocketAddr, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = BufReader::new(client.expect("a client comes"));
            let (mut head, mut length) = (String::new(), 0);
            while client.read_line(&mut head).is_ok_and(|read| read > 2) {
                let line = head.lines().last().unwrap_or_default().to_lowercase();
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().expect("a number");
                }
            }
            assert!(head.starts_with("POST /service/GraniteServiceVersion20100801/operation/PutMetricData "));
            let mut body = vec![0; length];
            client.read_exact(&mut body).expect("the body comes");
            let answer =
                b"HTTP/1.1 200 OK\r\nsmithy-protocol: rpc-v2-cbor\r\nContent-Type: application/cbor\r\n\
                           Content-Length: 1\r\nConnection: close\r\n\r\n\xa0";
            client.get_mut().write_all(answer).expect("it takes the answer");
            if send.send(body).is_err() {
                return;
            }
        }
    });
    (address, receive)
}

#[test]
fn metrics_and_a_copy_of_the_log_arrive() {
    let (moto, nginx) = (Moto::shared(), Nginx::start());
    let mut channel = Channel::with("cloudwatch", &FEW);
    channel.to("tube", &nginx.url(), None, "");
    channel.more = "[cloudwatch]\nnamespace = \"radio\"\nlogs = \"/nonstop/rig\"\n".to_owned();
    moto.call("Logs_20140328.CreateLogGroup", &json!({ "logGroupName": "/nonstop/rig" }));
    let (address, cloudwatch) = cloudwatch();
    let mut environment = moto.environment().map(|(name, value)| format!("export {name}='{value}'")).to_vec();
    environment.push(format!("export AWS_ENDPOINT_URL_CLOUDWATCH=http://{address}"));
    let environment: Vec<_> = environment.iter().map(String::as_str).collect();
    let mut daemon = channel.run_by(&environment);
    daemon.wait_for_ingest(0, 0, "live", RENDERED);
    let data = cloudwatch.recv_timeout(SENT).expect("metrics arrive");
    let count = |what: &str| data.windows(what.len()).filter(|window| *window == what.as_bytes()).count();
    for name in ["radio", "OnAir", "AckedLag", "Failovers", "RenderBacklog", "Quarantined", "SentBytes"] {
        assert_eq!(count(name), 1, "{name} in {}", data.escape_ascii());
    }
    // The channel is the only dimension, of every one of them.
    let metrics = count("MetricName");
    assert_eq!((count("Channel"), count("Dimensions"), count("rig")), (metrics, metrics, metrics));

    let lines = wait::until("the log has arrived", SENT, || {
        let streams =
            moto.call("Logs_20140328.DescribeLogStreams", &json!({ "logGroupName": "/nonstop/rig" }));
        let stream = streams["logStreams"][0]["logStreamName"].as_str()?.to_owned();
        assert!(stream.starts_with("rig/"), "{stream}");
        let request =
            json!({ "logGroupName": "/nonstop/rig", "logStreamName": stream, "startFromHead": true });
        let events = moto.call("Logs_20140328.GetLogEvents", &request);
        let message = |event: &Value| event["message"].as_str().map(str::to_owned);
        let lines: Vec<_> = events["events"].as_array()?.iter().filter_map(message).collect();
        lines.iter().any(|line| line.starts_with("INFO on air destination=tube")).then_some(lines)
    });
    assert!(!format!("{lines:?}").contains(KEY));
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_channel_without_aws_is_on_air_and_says_once_what_is_missing() {
    let nginx = Nginx::start();
    let mut channel = Channel::with("no-cloudwatch", &FEW);
    channel.to("tube", &nginx.url(), None, "");
    channel.more = "[cloudwatch]\nnamespace = \"radio\"\nlogs = \"/nonstop/rig\"\n".to_owned();
    // Nobody listens there.
    let mut daemon = channel.run_by(&[
        "export AWS_ENDPOINT_URL=http://127.0.0.1:1 AWS_REGION=eu-central-1",
        "export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_EC2_METADATA_DISABLED=true",
    ]);
    daemon.wait_for_ingest(0, 0, "live", RENDERED);
    let said = |what: &str| {
        let log = std::fs::read_to_string(channel.log()).unwrap_or_default();
        log.matches(what).count()
    };
    let (metrics, logs) = ("CloudWatch did not take the metrics", "CloudWatch Logs did not take the log");
    wait::until("both failures are said", SENT, || (said(metrics) > 0 && said(logs) > 0).then_some(()));
    daemon.wait_for_ingest(0, 0, "live", RENDERED);
    assert_eq!(daemon.stop(), 0);
    assert_eq!((said(metrics), said(logs)), (1, 1));
}
