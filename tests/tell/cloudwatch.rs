//! Metrics and a copy of the log in CloudWatch, over the wire.

use crate::RENDERED;
use crate::cbor;
use crate::judge;
use crate::rig::corpus::FEW;
use crate::rig::daemon::{Channel, KEY};
use crate::rig::http::{answer, read_whole};
use crate::rig::moto::Moto;
use crate::rig::nginx::Nginx;
use crate::rig::wait;
use serde_json::{Value, json};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// The first metrics are sent after ten seconds, and the log every five.
const SENT: Duration = Duration::from_secs(40);

/// CloudWatch, as far as it takes metrics in the protocol that the SDK speaks, which moto does not:
/// each request, once its head is that of the one operation. One that Amazon would refuse is refused.
fn cloudwatch() -> (SocketAddr, Receiver<Result<Value, String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.expect("a client comes");
            let (head, body) = read_whole(&mut client).expect("a request comes");
            assert!(head.starts_with("POST /service/GraniteServiceVersion20100801/operation/PutMetricData "));
            let request = cbor::value(&body);
            let judged = judge::put_metric_data(&request).map(|()| request);
            let (status, error) = match &judged {
                Ok(_) => ("200 OK", ""),
                Err(_) => ("400 Bad Request", "InvalidParameterValue;Sender"),
            };
            let headers = [("smithy-protocol", "rpc-v2-cbor"), ("x-amzn-query-error", error)];
            let headers = &headers[..if error.is_empty() { 1 } else { 2 }];
            client.write_all(&answer(status, headers, b"\xa0")).expect("it takes the answer");
            if send.send(judged).is_err() {
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
    let request = cloudwatch.recv_timeout(SENT).expect("metrics arrive").expect("Amazon would take them");
    assert_eq!(request["Namespace"], "radio");
    let data = request["MetricData"].as_array().expect("there are some");
    let unit = |name: &str| {
        let mut named = data.iter().filter(|datum| datum["MetricName"] == name);
        let unit = named.next().map(|datum| datum["Unit"].as_str().unwrap_or("no unit").to_owned());
        assert!(named.next().is_none(), "{name} comes once");
        unit
    };
    for (name, expected) in [
        ("OnAir", "None"),
        ("AckedLag", "Seconds"),
        ("Failovers", "Count"),
        ("RenderBacklog", "Count"),
        ("Quarantined", "Count"),
        ("SentBytes", "Bytes"),
    ] {
        assert_eq!(unit(name).as_deref(), Some(expected), "{name} in {request:#}");
    }
    for datum in data {
        let channel = json!([{ "Name": "Channel", "Value": "rig" }]);
        assert_eq!(datum["Dimensions"], channel, "the channel is the only one, of every one of them");
    }

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
