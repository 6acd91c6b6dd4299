//! Many cancels at random moments, many clients in bursts. The long forms run with `tests/run --full`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dreyer::{Config, Limits};
use pgwire::messages::PgWireBackendMessage as Answer;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::{BackendKeyData, Startup};
use pgwire::messages::{DecodeContext, Message, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::knock::{Client, query};
use super::psql::ENDLESS;
use super::{Server, writes};

/// Statements that take long, each in a way of its own.
const LONG: &[&str] = &[
    ENDLESS,
    "SELECT value, repeat('x', 100) FROM generate_series(1, 100000000)",
    "COPY (SELECT value FROM generate_series(1, 100000000)) TO STDOUT",
    "SELECT a.hip FROM hipparcos a CROSS JOIN hipparcos b ORDER BY a.ra + b.ra",
    "SELECT count(*) FROM hipparcos a JOIN hipparcos b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 10",
    "CREATE TABLE endless AS SELECT a.hip, a.ra, a.dec FROM hipparcos a CROSS JOIN hipparcos b",
    "BEGIN; DECLARE c CURSOR FOR SELECT a.hip FROM hipparcos a CROSS JOIN hipparcos b; FETCH ALL FROM c",
];

/// Startup by hand, to learn the key.
async fn start(address: &str) -> Result<(TcpStream, Option<BackendKeyData>), String> {
    let mut socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let mut startup = Startup::new();
    startup.protocol_number_minor = 0;
    startup.parameters.insert("user".to_owned(), "dreyer".to_owned());
    startup.parameters.insert("database".to_owned(), "dreyer".to_owned());
    let mut out = bytes::BytesMut::new();
    startup.encode(&mut out).map_err(|error| error.to_string())?;
    socket.write_all(&out).await.map_err(|error| error.to_string())?;
    let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
    (context.awaiting_frontend_ssl, context.awaiting_frontend_startup) = (false, false);
    let (mut inbox, mut key) = (bytes::BytesMut::new(), None);
    loop {
        while let Some(answer) = Answer::decode(&mut inbox, &context).map_err(|error| error.to_string())? {
            match answer {
                Answer::BackendKeyData(found) => key = Some(found),
                Answer::ReadyForQuery(_) => return Ok((socket, key)),
                Answer::ErrorResponse(error) => {
                    let code = error.fields.iter().find(|(code, _)| *code == b'C');
                    return Err(code.map_or_else(String::new, |(_, code)| code.clone()));
                }
                _ => {}
            }
        }
        if socket.read_buf(&mut inbox).await.map_err(|error| error.to_string())? == 0 {
            return Err("hung up without a word".to_owned());
        }
    }
}

/// A number that looks random, from a seed.
fn scrambled(seed: u64) -> u64 {
    let mut value = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Cancels so many statements at random moments; gives the time that each took to answer.
async fn cancels(rounds: u64) -> Vec<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(writes::config(&folder)).await;
    let address = server.address.to_string();
    let mut times = Vec::new();
    for round in 0..rounds {
        let (socket, key) = start(&address).await.unwrap();
        let key = key.unwrap();
        let mut client = Client::over(socket);
        let text = LONG[(round % LONG.len() as u64) as usize];
        client.send(&[query(text)]).await;
        let reading = tokio::spawn(async move {
            let mut last = String::new();
            while let Some(answer) = client.next().await {
                let word = super::knock::word(&answer);
                if word.starts_with("ready") {
                    break;
                }
                last = word;
            }
            (last, Instant::now(), client)
        });
        tokio::time::sleep(Duration::from_millis(20 + scrambled(round) % 300)).await;
        let began = Instant::now();
        let mut out = bytes::BytesMut::new();
        CancelRequest::new(key.pid, key.secret_key).encode(&mut out).unwrap();
        let mut line = TcpStream::connect(&address).await.unwrap();
        line.write_all(&out).await.unwrap();
        let (last, at, _client) = tokio::time::timeout(Duration::from_secs(30), reading)
            .await
            .unwrap_or_else(|_| panic!("round {round}: {text} goes on after its cancel"))
            .unwrap();
        assert_eq!(last, "ERROR 57014", "round {round}: {text}");
        times.push(at - began);
    }
    // Nothing is left running, and nothing was made.
    let left = "SELECT count(*) FROM pg_stat_queries WHERE state IN ('queued', 'running');\nSELECT count(*) FROM pg_tables WHERE tablename = 'endless';\n";
    for attempt in 0.. {
        let said = server.psql(&["-A", "-t"], left).await;
        if said == "0\n0\n" {
            break;
        }
        assert!(attempt < 20, "{said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_at_random_moments() {
    let mut times = cancels(42).await;
    times.sort_unstable();
    // The machine may be busy with other tests.
    assert!(times[times.len() / 2] < Duration::from_millis(500), "{times:?}");
    assert!(times[times.len() - 1] < Duration::from_secs(3), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and a quiet machine"]
async fn a_thousand_cancels_at_random_moments() {
    let mut times = cancels(1000).await;
    times.sort_unstable();
    assert!(
        times[times.len() - 1] < Duration::from_millis(500),
        "{:?}",
        times[times.len() - 1]
    );
}

/// So many clients come in bursts, stay for a moment and leave; gives how each fared.
async fn bursts(clients: usize, burst: usize) -> BTreeMap<String, usize> {
    let server = Server::with(Config {
        limits: Limits {
            max_connections: 50,
            ..Limits::default()
        },
        ..Config::default()
    })
    .await;
    let address = server.address.to_string();
    let mut fates = BTreeMap::new();
    for _ in 0..clients / burst {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..burst {
            let address = address.clone();
            tasks.spawn(async move {
                match tokio::time::timeout(Duration::from_secs(30), start(&address)).await {
                    Ok(Ok((socket, _))) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        drop(socket);
                        "accepted".to_owned()
                    }
                    Ok(Err(code)) => code,
                    Err(_) => "hangs".to_owned(),
                }
            });
        }
        while let Some(fate) = tasks.join_next().await {
            *fates.entry(fate.unwrap()).or_default() += 1;
        }
    }
    // Afterwards there is room again.
    for attempt in 0.. {
        if server.psql(&["-A", "-t"], "SELECT 1;\n").await == "1\n" {
            break;
        }
        assert!(attempt < 50, "nobody comes in any more");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    fates
}

fn check(fates: &BTreeMap<String, usize>, clients: usize) {
    assert!(
        fates.keys().all(|fate| ["accepted", "53300"].contains(&fate.as_str())),
        "{fates:?}"
    );
    assert_eq!(fates.values().sum::<usize>(), clients);
    assert!(
        fates.get("accepted").is_some_and(|accepted| *accepted >= clients / 20),
        "{fates:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_in_bursts_come_in_or_are_told_why_not() {
    check(&bursts(600, 200).await, 600);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn five_thousand_clients_in_bursts() {
    check(&bursts(5000, 500).await, 5000);
}
