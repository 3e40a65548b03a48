//! Amazon's services as a process on this machine: moto's server, which speaks S3, Secrets Manager
//! and CloudWatch over the wire and keeps everything in memory. `tests/setup` installs it.

use super::process::Process;
use super::{Scratch, free_port, wait};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, IdentityCache, SharedCredentialsProvider};
use nonstop::aws::{self, Aws};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// Python needs this long to import it on a machine that is busy.
const START: Duration = Duration::from_secs(60);
pub const REGION: &str = "eu-central-1";

pub struct Moto {
    /// `10.0.0.1:5000`
    pub address: String,
    pub process: Process,
}

impl Moto {
    /// On a free port of loopback, with its log in `folder`.
    pub fn start(folder: &Path) -> Self {
        Self::start_at(None, &format!("127.0.0.1:{}", free_port()), folder)
    }

    /// On an address in a network namespace.
    pub fn start_at(namespace: Option<&str>, address: &str, folder: &Path) -> Self {
        let (host, port) = address.rsplit_once(':').expect("an address and a port");
        let args = ["-m", "moto.server", "-H", host, "-p", port];
        let log = folder.join("moto.log");
        let mut process = Process::spawn("moto", namespace, python(), args, &[], &log);
        // It says so once its socket is bound, which is when connections are no longer refused.
        wait::until("moto's server runs", START, || {
            assert!(process.ended().is_none(), "moto has ended:\n{}", process.log());
            process.log().contains("Running on").then_some(())
        });
        Self { address: address.to_owned(), process }
    }

    /// One for all tests of this program; each makes its own buckets and secrets.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (send, receive) = mpsc::channel();
            // The kernel ends the server with the thread that started it; this one lives as long as
            // the program.
            std::thread::spawn(move || {
                let scratch = Scratch::new("moto");
                let _ = send.send(Self::start(scratch.path()));
                loop {
                    std::thread::park();
                }
            });
            receive.recv().expect("moto can be started")
        })
    }

    /// For `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a program's environment needs to use it.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        environment_at(&self.endpoint())
    }

    /// The clients' way there.
    pub fn aws(&self) -> Aws {
        aws_at(&self.endpoint())
    }

    pub fn make_bucket(&self, name: &str) {
        let place = format!(
            "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
        );
        self.put(&format!("/{name}"), place.as_bytes());
    }

    pub fn put_object(&self, bucket: &str, key: &str, content: &[u8]) {
        self.put(&format!("/{bucket}/{key}"), content);
    }

    /// Puts an object, which may replace one: an archived one is listed and cannot be read.
    pub fn put_as(&self, bucket: &str, key: &str, content: &[u8], class: &str) {
        // Who is nobody may not replace anything.
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/s3/aws4_request, SignedHeaders=host, Signature=0"
        );
        let headers = [("x-amz-storage-class", class), ("Authorization", scope.as_str())];
        let (status, _) = self.request("PUT", &format!("/{bucket}/{key}"), &headers, content);
        assert_eq!(status, 200, "{key}");
    }

    fn put(&self, path: &str, body: &[u8]) {
        let (status, answer) = self.request("PUT", path, &[], body);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer));
    }

    /// A call of a service that takes JSON: `target` is `secretsmanager.CreateSecret`.
    pub fn call(&self, target: &str, body: &serde_json::Value) -> serde_json::Value {
        let service = match target.split('.').next().unwrap_or_default() {
            "Logs_20140328" => "logs",
            other => other,
        };
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let headers = [
            ("X-Amz-Target", target),
            ("Content-Type", "application/x-amz-json-1.1"),
            ("Authorization", scope.as_str()),
        ];
        let (status, answer) = self.request("POST", "/", &headers, body.to_string().as_bytes());
        assert_eq!(status, 200, "{target}: {}", String::from_utf8_lossy(&answer));
        if answer.is_empty() {
            // Some calls have nothing to say.
            return serde_json::Value::Null;
        }
        serde_json::from_slice(&answer).expect("such services answer in JSON")
    }

    /// Only from where the server can be reached.
    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).expect("moto's server can be reached");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket takes a time-out");
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).expect("it takes the request");
        stream.write_all(body).expect("it takes the request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("HTTP has a head");
        let status = std::str::from_utf8(&answer[9..12]).ok().and_then(|code| code.parse().ok());
        (status.expect("a status"), answer.split_off(end + 4))
    }
}

/// What a program's environment needs to use what listens there.
pub fn environment_at(endpoint: &str) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

/// The way to a server that takes any credentials.
pub fn aws_at(endpoint: &str) -> Aws {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws::http_client())
        .identity_cache(IdentityCache::lazy().build())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "test", "test", None, None, "test",
        )))
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .sleep_impl(aws_sdk_s3::config::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
        .build();
    Aws::known(config)
}

/// The Python that `tests/setup` installed moto for, or else the one in PATH.
fn python() -> PathBuf {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the target folder");
    let own = own.join("moto/bin/python");
    if own.exists() { own } else { "python3".into() }
}
