//! A proxy that breaks what passes through it: refusals, cut and shortened bodies, wrong ranges, stalls, rewritten
//! objects. The `Host` that was signed goes on unchanged, so signatures stay valid.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::wire::Message;

/// What is done to messages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    None,
    /// So many of a hundred requests, whatever they ask for, are refused with this status.
    Refuse {
        status: u16,
        percent: u64,
    },
    /// Bodies of objects end with the connection after so many bytes.
    Cut {
        after: usize,
    },
    /// The same, once for each range that is asked for.
    CutOnce {
        after: usize,
    },
    /// Bodies of objects are shorter by so many bytes, and the length says so.
    Shorten {
        by: usize,
    },
    /// Status 200 for a part: the bytes pass for the whole object.
    PassForWhole,
    /// The answer names another range than the one asked for; the length fits.
    WrongRange,
    /// No answer, ever.
    Silence,
    /// The body stops after so many bytes, and the connection stays.
    Stall {
        after: usize,
    },
    /// The body comes a byte at a time.
    Trickle,
    /// Bodies of leaves are cut once, and what is asked for afterwards is another version. Honest servers then refuse
    /// If-Match; others ignore it and name the new version.
    Rewritten {
        honest: bool,
    },
}

/// What has passed.
#[derive(Debug, Default)]
struct Passed {
    requests: u64,
    /// Ranges that were cut already.
    cut: Vec<(String, Option<String>)>,
}

/// A proxy on a port of its own. Stops with the test.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    fault: Arc<Mutex<Fault>>,
    passed: Arc<Mutex<Passed>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy before the server on `port` of this machine.
    pub(crate) async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, passed) = (Arc::new(Mutex::new(Fault::None)), Arc::default());
        let (faults, counts) = (Arc::clone(&fault), Arc::clone(&passed));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (faults, counts) = (Arc::clone(&faults), Arc::clone(&counts));
                // A client that goes away is part of the game.
                tokio::spawn(async move { drop(pass(stream, port, &faults, &counts).await) });
            }
        });
        Self {
            address,
            fault,
            passed,
            task,
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, this is done.
    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
        *self.passed.lock().unwrap() = Passed::default();
    }

    /// Requests since the fault was set.
    pub(crate) fn requests(&self) -> u64 {
        self.passed.lock().unwrap().requests
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request for each connection: simple, and what was broken cannot be used again.
async fn pass(mut client: TcpStream, port: u16, fault: &Mutex<Fault>, passed: &Mutex<Passed>) -> io::Result<()> {
    let Some(mut request) = Message::read_head(&mut client).await? else {
        return Ok(());
    };
    request.read_body(&mut client).await?;
    let (fault, number) = {
        let mut passed = passed.lock().unwrap();
        passed.requests += 1;
        (*fault.lock().unwrap(), passed.requests)
    };
    match fault {
        Fault::Refuse { status, percent } if unlucky(number, percent) => return refuse(&mut client, status).await,
        Fault::Silence => return std::future::pending().await,
        _ => {}
    }
    let mut object = request.first.starts_with("GET ") && !request.second().contains('?');
    if matches!(fault, Fault::Rewritten { .. }) {
        object &= request.second().ends_with(".parquet");
    }
    let key = (request.second().to_owned(), request.header("range").map(str::to_owned));
    let seen = object && {
        let mut passed = passed.lock().unwrap();
        let again = passed.cut.iter().any(|(path, range)| match fault {
            Fault::Rewritten { .. } => *path == key.0,
            // What is resumed ends where the first request did.
            _ => *path == key.0 && end(range) == end(&key.1),
        });
        passed.cut.push(key);
        again
    };
    if fault == (Fault::Rewritten { honest: true }) && seen && request.header("if-match").is_some() {
        return refuse(&mut client, 412).await;
    }
    let mut answer = forward(&mut request, port).await?;
    if !object || !answer.second().starts_with("20") {
        return send(&mut client, &answer, answer.body.len()).await;
    }
    breaking(&mut client, &mut answer, fault, seen).await
}

/// The last byte of a range.
fn end(range: &Option<String>) -> Option<&str> {
    range.as_deref()?.rsplit('-').next()
}

/// Sends the answer to a request for an object, broken.
async fn breaking(client: &mut TcpStream, answer: &mut Message, fault: Fault, seen: bool) -> io::Result<()> {
    let whole = answer.body.len();
    match fault {
        Fault::Cut { after } => send(client, answer, after).await,
        Fault::CutOnce { after } => send(client, answer, if seen { whole } else { after }).await,
        Fault::Shorten { by } => {
            let length = whole.saturating_sub(by).max(1);
            answer.set("content-length", Some(length.to_string()));
            send(client, answer, length).await
        }
        Fault::WrongRange => {
            if let Some((from, to)) = answer.header("content-range").and_then(bounds) {
                let size = answer
                    .header("content-range")
                    .and_then(|range| range.rsplit('/').next())
                    .unwrap_or("0");
                answer.set("content-range", Some(format!("bytes {}-{}/{size}", from + 1, to + 1)));
            }
            send(client, answer, whole).await
        }
        Fault::PassForWhole => {
            answer.first = "HTTP/1.1 200 OK".to_owned();
            answer.set("content-range", None);
            send(client, answer, whole).await
        }
        Fault::Stall { after } => {
            client.write_all(&answer.head()).await?;
            client.write_all(&answer.body[..after.min(whole)]).await?;
            std::future::pending().await
        }
        Fault::Trickle => {
            client.write_all(&answer.head()).await?;
            for byte in answer.body.chunks(1) {
                client.write_all(byte).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        }
        Fault::Rewritten { .. } if seen => {
            answer.set("etag", Some("\"another-version\"".to_owned()));
            send(client, answer, whole).await
        }
        Fault::Rewritten { .. } => send(client, answer, whole / 2).await,
        _ => send(client, answer, whole).await,
    }
}

fn bounds(range: &str) -> Option<(u64, u64)> {
    let (from, to) = range.strip_prefix("bytes ")?.split('/').next()?.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

/// Whether the `number`-th request is one of the unlucky: always the same ones, and spread out.
fn unlucky(number: u64, percent: u64) -> bool {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 33) % 100 < percent
}

/// Sends the request on and reads all of the answer.
async fn forward(request: &mut Message, port: u16) -> io::Result<Message> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    request.set("connection", Some("close".to_owned()));
    server.write_all(&request.head()).await?;
    server.write_all(&request.body).await?;
    let mut answer = Message::read_head(&mut server)
        .await?
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    server.read_to_end(&mut answer.body).await?;
    answer.set("connection", Some("close".to_owned()));
    Ok(answer)
}

async fn send(client: &mut TcpStream, answer: &Message, bytes: usize) -> io::Result<()> {
    client.write_all(&answer.head()).await?;
    client.write_all(&answer.body[..bytes.min(answer.body.len())]).await?;
    client.shutdown().await
}

async fn refuse(client: &mut TcpStream, status: u16) -> io::Result<()> {
    let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    let head = format!(
        "HTTP/1.1 {status} Refused\r\nconnection: close\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).await?;
    client.write_all(body.as_bytes()).await?;
    client.shutdown().await
}
