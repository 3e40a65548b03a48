//! The least that serves a folder over HTTP, and remembers what was asked for.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub struct Site {
    folder: PathBuf,
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// Serves `folder` on loopback for as long as the test's process lives.
    pub fn new(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = Arc::default();
        let site = Self { folder, url, asked: Arc::clone(&asked) };
        let folder = site.folder.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, asked) = (folder.clone(), Arc::clone(&asked));
                // Whoever hangs up early is none of our business.
                std::thread::spawn(move || drop(serve(&stream, &folder, &asked)));
            }
        });
        site
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The paths that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics while holding it").clone()
    }
}

fn serve(stream: &TcpStream, folder: &Path, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next() {
        let line = line?;
        let Some(path) = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()) else {
            return Ok(());
        };
        asked.lock().expect("nobody panics while holding it").push(path.to_owned());
        let file = std::fs::read(folder.join(path.trim_start_matches('/')));
        for header in lines.by_ref() {
            if header?.is_empty() {
                break;
            }
        }
        let (status, body) = match file {
            Ok(body) => ("200 OK", body),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len())?;
        stream.write_all(&body)?;
    }
    Ok(())
}
