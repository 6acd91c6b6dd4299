//! A plain web server: files of the sample sky by name, with ranges and ETags, and no listings.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::wire::Message;

/// A server on a port of its own. Stops with the test.
pub(crate) struct WebServer {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl WebServer {
    /// Serves `files` by their paths. Without `etags` it names no versions.
    pub(crate) async fn start(files: HashMap<String, Vec<u8>>, etags: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let files = Arc::new(files);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let files = Arc::clone(&files);
                tokio::spawn(async move { serve(stream, &files, etags).await });
            }
        });
        Self { address, task }
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, files: &HashMap<String, Vec<u8>>, etags: bool) -> io::Result<()> {
    while let Some(mut request) = Message::read_head(&mut stream).await? {
        request.read_body(&mut stream).await?;
        let (head, body) = answer(&request, files, etags);
        stream.write_all(head.as_bytes()).await?;
        if request.first.starts_with("GET ") {
            stream.write_all(body).await?;
        }
    }
    Ok(())
}

fn answer<'a>(request: &Message, files: &'a HashMap<String, Vec<u8>>, etags: bool) -> (String, &'a [u8]) {
    if !request.first.starts_with("GET ") && !request.first.starts_with("HEAD ") {
        return (
            "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n".to_owned(),
            &[],
        );
    }
    let path = request.second().trim_start_matches('/').replace("%3D", "=");
    let Some(file) = files.get(&path) else {
        return ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(), &[]);
    };
    let tag = format!(
        "\"{:x}\"",
        file.iter()
            .fold(file.len(), |sum, byte| sum.wrapping_mul(31) + *byte as usize)
    );
    let mut more = "last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n".to_owned();
    if etags {
        more += &format!("etag: {tag}\r\n");
        if request.header("if-match").is_some_and(|wanted| wanted != tag) {
            return (
                "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n".to_owned(),
                &[],
            );
        }
    }
    match request.header("range").and_then(|range| range_of(range, file.len())) {
        Some((from, to)) => {
            let range = format!("content-range: bytes {from}-{}/{}\r\n", to - 1, file.len());
            let length = to - from;
            let head = format!("HTTP/1.1 206 Partial Content\r\n{more}{range}content-length: {length}\r\n\r\n");
            (head, &file[from..to])
        }
        None => (
            format!("HTTP/1.1 200 OK\r\n{more}content-length: {}\r\n\r\n", file.len()),
            file.as_slice(),
        ),
    }
}

fn range_of(header: &str, size: usize) -> Option<(usize, usize)> {
    let (from, to) = header.strip_prefix("bytes=")?.split_once('-')?;
    if from.is_empty() {
        return Some((size.saturating_sub(to.parse().ok()?), size));
    }
    let from = from.parse().ok()?;
    let to = to.parse::<usize>().map_or(size, |to| (to + 1).min(size));
    (from < to).then_some((from, to))
}

/// The files of the sample sky, by their paths.
pub(crate) fn sample_files() -> HashMap<String, Vec<u8>> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/sample");
    let (mut files, mut folders) = (HashMap::new(), vec![sample.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&sample).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}
