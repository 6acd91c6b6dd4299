//! Two servers over the same workers, behind a balancer: a cancel, and a look at what runs, reach the one that is meant.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::process::{Process, Psql};
use super::{WORK, addresses, coordinator_with, ready, until};

/// The time in which a cancelled query is gone everywhere.
const GONE: Duration = Duration::from_millis(500);

/// Work for many seconds.
fn long() -> String {
    let once = format!("SELECT * FROM ({WORK}) AS pairs(n, one, other)");
    format!(
        "SELECT sum(n), sum(one), sum(other) FROM ({})",
        vec![once; 12].join(" UNION ALL ")
    )
}

/// A line on which connections go to the servers in turn.
async fn balancer(servers: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut turn = 0;
        while let Ok((mut client, _)) = listener.accept().await {
            let server = servers[turn % servers.len()].clone();
            turn += 1;
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                // Either side may hang up.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

/// An address that nobody listens on yet.
async fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

async fn idle_soon(workers: &[Process], since: Instant) {
    for worker in workers {
        let idle = async || worker.metric("dreyer_worker_tasks_running").await == 0;
        until("nothing is left running", GONE.saturating_sub(since.elapsed()), idle).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_reaches_the_other_server_is_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    let config = super::keys::with_token(folder.path(), "Halley").await;
    let mut workers = Vec::new();
    for _ in 0..2 {
        let listen = [
            "worker",
            "--listen",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--config",
            &config,
        ];
        workers.push(Process::start(&listen).await);
    }
    let doors = [free().await, free().await];
    let all = doors.join(",");
    let (mut servers, mut psql) = (Vec::new(), Vec::new());
    for door in &doors {
        let more = ["--config", &config, "--coordinator", door, "--coordinators", &all];
        let (server, to_it) = coordinator_with(&addresses(&workers), &more).await;
        ready(&server, 2).await;
        servers.push(server);
        psql.push(to_it);
    }
    let line = balancer(servers.iter().map(|server| server.said("listening on ")).collect()).await;
    let balanced = Psql::to(&line.to_string());
    let busy = async || workers[0].metric("dreyer_worker_tasks_running").await > 0;

    // The query goes to the first; psql's cancel, on a line of its own, to the second.
    let mut command = balanced.command("SET dreyer.compute = 'distributed'");
    let mut child = command.args(["-c", &long()]).spawn().unwrap();
    until("the work is dealt", Duration::from_secs(20), busy).await;
    let running = "FROM dreyer.queries WHERE state = 'running' AND workers > 0";
    let seen = format!("SELECT user_name, workers, coordinator IS NULL, estimated_bytes > 0 {running}");
    assert_eq!(psql[0].run(&seen).await.rows, "dreyer|2|t|t\n");
    assert_eq!(psql[1].run(&seen).await.rows, "dreyer|2|f|t\n");
    let pid = child.id().unwrap().to_string();
    let began = Instant::now();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let mut errors = String::new();
    tokio::io::AsyncReadExt::read_to_string(child.stderr.as_mut().unwrap(), &mut errors)
        .await
        .unwrap();
    assert!(errors.contains("57014"), "{errors}");
    assert!(began.elapsed() < GONE, "{:?}", began.elapsed());
    idle_soon(&workers, began).await;

    // The same by SQL, asked of the second.
    let running_there = tokio::spawn({
        let (psql, sql) = (psql[0].clone(), long());
        async move { (psql.dealt(&sql).await, Instant::now()) }
    });
    until("the work is dealt", Duration::from_secs(20), busy).await;
    let pid = psql[1].run(&format!("SELECT pid {running}")).await.rows;
    let began = Instant::now();
    assert_eq!(
        psql[1]
            .run(&format!("SELECT pg_cancel_backend({})", pid.trim()))
            .await
            .rows,
        "t\n"
    );
    let (said, ended) = running_there.await.unwrap();
    assert!(said.errors.contains("57014"), "{said:?}");
    // psql has to start and to connect first.
    assert!(ended - began < 2 * GONE, "{:?}", ended - began);
    idle_soon(&workers, ended).await;
    assert_eq!(psql[1].run("SELECT pg_cancel_backend(1)").await.rows, "f\n");
    assert!(psql[0].dealt("SELECT count(hip) FROM hipparcos").await.rows == "117955\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_gone_or_holds_another_token_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (
        super::keys::with_token(folder.path(), "Halley").await,
        super::keys::with_token(folder.path(), "Encke").await,
    );
    let doors = [free().await, free().await, free().await];
    let all = doors.join(",");
    let serve = async |config: &str, door: &str| {
        let base = ["serve", "--pg", "127.0.0.1:0", "--config", config];
        let more = ["--coordinator", door, "--coordinators", &all];
        Process::start(&[&base[..], &more[..]].concat()).await
    };
    let one = serve(&right, &doors[0]).await;
    let stranger = serve(&wrong, &doors[1]).await;
    let query = "SELECT count(*) FROM dreyer.queries WHERE coordinator IS NOT NULL";
    for server in [&one, &stranger] {
        let said = Psql::to(&server.said("listening on ")).run(query).await;
        assert_eq!(said.rows, "0\n", "{said:?}");
    }
}
