//! A real RTMP server, nginx with its RTMP module, that records all it is sent and can be made to
//! fail: stopped, started again, frozen, or made to drop its publisher.

use super::process::Process;
use super::{Scratch, free_port, wait};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Debian puts it.
const NGINX: &str = "/usr/sbin/nginx";

/// One ingest: application `live2` on a port of its own.
pub struct Nginx {
    folder: Scratch,
    process: Option<Process>,
    namespace: Option<String>,
    address: String,
    /// RTMP.
    pub port: u16,
    control: u16,
    kept: Cell<u32>,
}

impl Nginx {
    /// On loopback.
    pub fn start() -> Self {
        Self::start_in(None, "127.0.0.1", free_port(), free_port())
    }

    /// In a network namespace, at one of its addresses.
    pub fn start_in(namespace: Option<&str>, address: &str, port: u16, control: u16) -> Self {
        let folder = Scratch::new("nginx");
        let mut nginx = Self {
            folder,
            process: None,
            namespace: namespace.map(str::to_owned),
            address: address.to_owned(),
            port,
            control,
            kept: Cell::new(0),
        };
        nginx.write_configuration();
        nginx.start_again();
        nginx
    }

    fn write_configuration(&self) {
        let (root, recordings) = (self.folder.path().display(), self.folder.folder("recordings"));
        let (address, port, control) = (&self.address, self.port, self.control);
        let configuration = format!(
            "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off;
master_process off;
user root;
pid {root}/pid;
error_log {root}/error.log info;
events {{ worker_connections 256; }}
rtmp {{
  server {{
    listen {address}:{port};
    chunk_size 4096;
    # A publisher that vanished without a word is noticed, and its name is free again.
    ping 3s;
    ping_timeout 3s;
    application live2 {{
      live on;
      wait_key on;
      record all;
      record_path {recordings};
      record_unique on;
      record_suffix .flv;
    }}
  }}
}}
http {{
  access_log off;
  client_body_temp_path {root}/tmp; proxy_temp_path {root}/tmp; fastcgi_temp_path {root}/tmp;
  uwsgi_temp_path {root}/tmp; scgi_temp_path {root}/tmp;
  server {{
    listen {address}:{control};
    location /control {{ rtmp_control all; }}
    location /stat {{ rtmp_stat all; }}
    root {root}/www;
  }}
}}
",
            recordings = recordings.display(),
        );
        std::fs::write(self.configuration(), configuration).expect("the target folder can be written");
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("nginx.conf")
    }

    /// Where to publish: the app, without a stream key.
    pub fn url(&self) -> String {
        format!("rtmp://{}:{}/live2", self.address, self.port)
    }

    /// What it serves over HTTP at its control port lies here.
    pub fn www(&self) -> PathBuf {
        self.folder.folder("www")
    }

    pub fn socket(&self) -> (String, u16) {
        (self.address.clone(), self.port)
    }

    /// Starts it, or starts it again where it was.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it is running");
        self.set_aside();
        let (root, configuration) = (self.folder.path().to_owned(), self.configuration());
        let args = ["-p".as_ref(), root.as_os_str(), "-c".as_ref(), configuration.as_os_str()];
        let log = root.join("output.log");
        let mut process = Process::spawn("nginx", self.namespace.as_deref(), NGINX, args, &[], &log);
        let pid = root.join("pid");
        wait::until("nginx is up", Duration::from_secs(10), || {
            if let Some(status) = process.ended() {
                panic!("nginx ended with {status}: {}", process.log());
            }
            // It writes its pid once it listens.
            std::fs::read_to_string(&pid).ok().filter(|text| text.trim() == process.pid().to_string())
        });
        self.process = Some(process);
    }

    /// Ends it at once: whoever publishes to it gets a reset, and nobody can connect.
    pub fn kill(&mut self) {
        self.process.take().expect("it is running").kill();
    }

    /// Stops it where it stands: it accepts nothing more, and says nothing.
    pub fn freeze(&self) {
        self.process.as_ref().expect("it is running").signal("STOP");
    }

    pub fn thaw(&self) {
        self.process.as_ref().expect("it is running").signal("CONT");
    }

    /// Closes the connection of whoever publishes, and gives how many they were.
    pub fn drop_publisher(&self) -> u32 {
        let reply = self.get("/control/drop/publisher?app=live2");
        reply.trim().parse().unwrap_or_else(|_| panic!("nginx answered {reply:?}"))
    }

    /// How often somebody wanted to publish what somebody else was publishing.
    pub fn rivals(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("error.log")).expect("nginx writes a log");
        log.matches("already publishing").count()
    }

    /// How often a publisher said that its stream was over, rather than merely to be gone.
    pub fn farewells(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("error.log")).expect("nginx writes a log");
        log.matches("deleteStream").count()
    }

    /// Whether somebody publishes.
    pub fn has_publisher(&self) -> bool {
        self.get("/stat").contains("<publishing/>")
    }

    /// Only from where its address can be reached.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect((self.address.as_str(), self.control)).expect("nginx listens");
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("nginx reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("nginx answers");
        reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    fn folder_of_recordings(&self) -> PathBuf {
        self.folder.path().join("recordings")
    }

    /// nginx names a recording by the second in which it began, and would overwrite the first of
    /// two in one second. What is renamed goes on being written to, and is overwritten by nothing.
    pub fn set_aside(&self) {
        for path in flv_files(&self.folder_of_recordings()) {
            if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kept-")) {
                let kept = self.kept.replace(self.kept.get() + 1);
                std::fs::rename(&path, path.with_file_name(format!("kept-{kept:04}.flv")))
                    .expect("it can be renamed");
            }
        }
    }

    /// Every recording so far, in the order in which they began.
    pub fn recordings(&self) -> Vec<PathBuf> {
        self.set_aside();
        flv_files(&self.folder_of_recordings())
    }

    /// Bytes recorded so far.
    pub fn recorded(&self) -> u64 {
        let files = flv_files(&self.folder_of_recordings());
        files.iter().filter_map(|path| path.metadata().ok()).map(|m| m.len()).sum()
    }

    /// Waits until more than it has now is recorded.
    #[track_caller]
    pub fn wait_for_more(&self, within: Duration) {
        let before = self.recorded();
        wait::until("more is recorded", within, || (self.recorded() > before + 1000).then_some(()));
    }
}

fn flv_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of recordings is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|e| e == "flv"))
        .collect();
    files.sort();
    files
}

/// A port that accepts connections and never says a word.
pub struct Mute(TcpListener);

impl Mute {
    pub fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("loopback can be bound"))
    }

    pub fn url(&self) -> String {
        format!("rtmp://127.0.0.1:{}/live2", self.0.local_addr().expect("it is bound").port())
    }
}
