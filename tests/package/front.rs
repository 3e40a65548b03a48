//! RTMPS: a server that ends TLS on the ingest's host and passes on what is in it.

use crate::rig::ingest::tls::identity;
use crate::rig::process::Process;
use crate::rig::{Scratch, wait};
use std::time::Duration;

/// Where RTMPS is served, as platforms do.
const PORT: u16 = 443;

/// Ends when dropped.
pub struct Front {
    address: &'static str,
    authority: String,
    // The server is in the folder.
    _process: Process,
    _folder: Scratch,
}

impl Front {
    /// In front of the ingest at a port of an address, in the namespace that it is in.
    pub fn start(namespace: &str, address: &'static str, ingest: u16) -> Self {
        let folder = Scratch::new("front");
        let root = folder.path();
        let identity = identity(&[address]);
        let file = |name: &str, text: &str| {
            std::fs::write(root.join(name), text).expect("the target folder can be written");
        };
        file("certificate.pem", &identity.certificate.pem());
        file("key.pem", &identity.key.serialize_pem());
        file(
            "nginx.conf",
            &format!(
                "load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
master_process off;
pid {root}/pid;
error_log {root}/error.log;
events {{ worker_connections 64; }}
stream {{
  server {{
    listen {address}:{PORT} ssl;
    ssl_certificate {root}/certificate.pem;
    ssl_certificate_key {root}/key.pem;
    proxy_pass {address}:{ingest};
  }}
}}
",
                root = root.display()
            ),
        );
        let args = ["-p".into(), root.to_owned(), "-c".into(), root.join("nginx.conf")];
        let log = root.join("output.log");
        let mut process = Process::spawn("front", Some(namespace), "/usr/sbin/nginx", args, &[], &log);
        wait::until("the front is up", Duration::from_secs(10), || {
            if let Some(status) = process.ended() {
                panic!("it ended with {status}: {}", process.log());
            }
            std::fs::read_to_string(root.join("pid")).ok().filter(|pid| !pid.trim().is_empty())
        });
        Self { address, authority: identity.authority, _process: process, _folder: folder }
    }

    /// Where to publish: the app, without a stream key.
    pub fn url(&self) -> String {
        format!("rtmps://{}:{PORT}/live2", self.address)
    }

    /// The certificate to trust, as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}
