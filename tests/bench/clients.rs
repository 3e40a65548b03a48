//! Everything that a daemon on EC2 talks to beside its ingest: moto for the bucket and the secret, a
//! metadata service, CloudWatch (which moto does not take metrics for) and a webhook.

use crate::Stage;
use crate::rig::daemon::{Channel, KEY};
use crate::rig::free_port;
use crate::rig::http::{Answer, Http};
use crate::rig::imds::Metadata;
use crate::rig::moto::Moto;
use crate::sink::Sink;
use serde_json::json;
use std::path::Path;

const BUCKET: &str = "bench";
const LOGS: &str = "/nonstop/bench";

pub struct Clients {
    moto: Moto,
    metadata: Metadata,
    cloudwatch: Http,
    webhook: Http,
}

impl Clients {
    pub fn start(folder: &Path) -> Self {
        let (moto, metadata) = (Moto::start(folder), Metadata::start());
        moto.make_bucket(BUCKET);
        moto.call("Logs_20140328.CreateLogGroup", &json!({ "logGroupName": LOGS }));
        moto.call("secretsmanager.CreateSecret", &json!({ "Name": BUCKET, "SecretString": KEY }));
        let took = |head: &'static [u8]| Http::start(move |_, _| Answer::Bytes(head.to_vec()));
        let cloudwatch = took(
            b"HTTP/1.1 200 OK\r\nsmithy-protocol: rpc-v2-cbor\r\nContent-Type: application/cbor\r\n\
              Content-Length: 1\r\n\r\n\xa0",
        );
        let webhook = took(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        Self { moto, metadata, cloudwatch, webhook }
    }

    /// The stage's music from a bucket, to a sink, with all that can be had from Amazon turned on.
    /// Its first life renders; later ones find their renditions, on disk and in the bucket.
    pub fn channel(&self, stage: &Stage, sink: &Sink) -> Channel {
        let mut channel = stage.channel("loaded");
        for entry in std::fs::read_dir(&channel.music).expect("it can be read").flatten() {
            let key = format!("lofi/{}", entry.file_name().to_string_lossy());
            self.moto.put_object(BUCKET, &key, &std::fs::read(entry.path()).expect("it can be read"));
        }
        channel.source = Some(format!("s3://{BUCKET}/lofi"));
        channel.destinations = format!(
            "\n[[destination]]\nname = \"sink\"\nprimary = \"{}\"\nkey = {{ secret = \"{BUCKET}\" }}\n{}\n",
            sink.app(),
            sink.trust()
        );
        channel.more = format!(
            "[metrics]\nlisten = \"127.0.0.1:{}\"\n\n[cloudwatch]\nnamespace = \"bench\"\nlogs = \"{LOGS}\"\n\n\
             [[webhook]]\nurl = \"{}\"\n",
            free_port(),
            self.webhook.endpoint()
        );
        let off = "AWS_EC2_METADATA_DISABLED";
        channel.environment = self.moto.environment().into_iter().filter(|(name, _)| *name != off).collect();
        channel.environment.extend([
            ("AWS_ENDPOINT_URL_CLOUDWATCH", self.cloudwatch.endpoint()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.metadata.url()),
        ]);
        channel
    }
}
