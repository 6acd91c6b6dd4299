//! A line between two processes that can be cut: bytes stop, in one direction or both, and nobody is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What does not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Cut {
    Nothing,
    /// What the worker says.
    Answers,
    Both,
}

/// A line to a worker.
pub(super) struct Cable {
    pub(super) address: SocketAddr,
    state: Arc<AtomicU8>,
}

impl Cable {
    pub(super) async fn to(worker: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (worker, state) = (worker.to_owned(), Arc::new(AtomicU8::new(0)));
        let seen = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&worker).await else {
                    continue;
                };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(pass(from_client, to_server, Arc::clone(&seen), Cut::Both));
                tokio::spawn(pass(from_server, to_client, Arc::clone(&seen), Cut::Answers));
            }
        });
        Self { address, state }
    }

    pub(super) fn set(&self, cut: Cut) {
        self.state.store(cut as u8, Ordering::SeqCst);
    }
}

/// Hands bytes on, as long as the line is not cut from `stops` on.
async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    state: Arc<AtomicU8>,
    stops: Cut,
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read) = from.read(&mut bytes).await {
        while state.load(Ordering::SeqCst) >= stops as u8 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
