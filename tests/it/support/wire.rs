//! Just enough of HTTP/1.1 to stand between a client and a server: heads, and bodies of a stated length.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// The start of a message and what came after it.
pub(crate) struct Message {
    /// `GET /path HTTP/1.1` or `HTTP/1.1 200 OK`.
    pub(crate) first: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Reads a head; `None` if the other side has closed.
    pub(crate) async fn read_head(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if from.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Ok(Some(Self {
            first,
            headers,
            body: bytes[end + 4..].to_vec(),
        }))
    }

    /// Reads the rest of a request's body.
    pub(crate) async fn read_body(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        let length = self
            .header("content-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        while self.body.len() < length {
            if from.read_buf(&mut self.body).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Replaces a header that is there; a value of `None` takes it away.
    pub(crate) fn set(&mut self, name: &str, value: Option<String>) {
        self.headers.retain(|(key, _)| key != name);
        self.headers.extend(value.map(|value| (name.to_owned(), value)));
    }

    /// The second word of the first line: a request's path, an answer's status.
    pub(crate) fn second(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn head(&self) -> Vec<u8> {
        let headers: String = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!("{}\r\n{headers}\r\n", self.first).into_bytes()
    }
}
