//! Log-in: who comes in, who does not, and that nobody learns who exists.

use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, BytesMut};
use dreyer::Config;
use pgwire::messages::startup::{Authentication, Startup};
use pgwire::messages::{
    DecodeContext, PgWireBackendMessage as Answer, PgWireFrontendMessage as Message, ProtocolVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::users::{Guarded, told, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_needed_as_soon_as_there_is_a_user() {
    let guarded = Guarded::without_users(Config::default()).await;
    let file = guarded.file();
    let ask = "SELECT current_user";
    assert_eq!(guarded.psql_with("dreyer", "", ask).await, "dreyer\n");
    let said = told(&file, &["add", "ada", "--password-stdin"], "Alcyone 17702\n");
    assert!(
        said.contains("ada may log in") && said.contains("everybody needs a password"),
        "{said}"
    );
    assert_eq!(guarded.psql_with("ada", "Alcyone 17702", ask).await, "ada\n");
    for (name, password) in [("ada", "alcyone 17702"), ("dreyer", "x"), ("eve", "Alcyone 17702")] {
        let said = guarded.psql_with(name, password, ask).await;
        let expected = format!("FATAL:  password authentication failed for user \"{name}\"");
        assert!(said.contains(&expected), "{said}");
    }
    told(&file, &["passwd", "ada", "--password-stdin"], "Maia\n");
    assert_eq!(guarded.psql_with("ada", "Maia", ask).await, "ada\n");
    assert!(guarded.psql_with("ada", "Alcyone 17702", ask).await.contains("failed"));
    let said = told(&file, &["drop", "ada"], "");
    assert!(said.contains("nobody is left"), "{said}");
    assert!(guarded.psql_with("ada", "Maia", ask).await.contains("failed"));
    assert!(
        guarded
            .psql_with("dreyer", "", ask)
            .await
            .contains("no password supplied")
    );
    // Taking the file away under a running server does not open the door.
    std::fs::remove_file(&file).unwrap();
    assert!(
        guarded
            .psql_with("dreyer", "", ask)
            .await
            .contains("no password supplied")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_it_did_and_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.json");
    assert!(told(&file, &["list"], "").contains("no users"));
    told(&file, &["add", "root", "--admin", "--password-stdin"], "Sirius\n");
    told(
        &file,
        &["add", "ada", "--member-of", "pg_read_all_data", "--password-stdin"],
        "Vega\n",
    );
    assert_eq!(
        told(&file, &["list"], ""),
        "ada                         pg_read_all_data\nroot                 admin\n"
    );
    for (arguments, input, words) in [
        (
            &["add", "ada", "--password-stdin"][..],
            "x\n",
            "role \"ada\" already exists",
        ),
        (&["add", "eve", "--password-stdin"], "", "no password"),
        (&["add", "eve"], "Vega\n", "no terminal"),
        (
            &["add", "eve", "--member-of", "nobody", "--password-stdin"],
            "x\n",
            "role \"nobody\" does not exist",
        ),
        (
            &["add", "pg_eve", "--password-stdin"],
            "x\n",
            "cannot be the name of a role",
        ),
        (
            &["passwd", "eve", "--password-stdin"],
            "x\n",
            "user \"eve\" does not exist",
        ),
        (&["drop", "public"], "", "user \"public\" does not exist"),
    ] {
        let (done, said) = user(&file, arguments, input);
        assert!(!done && said.contains(words), "{arguments:?}: {said}");
    }
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("SCRAM-SHA-256$4096:") && !text.contains("Sirius") && !text.contains("Vega"));
}

#[tokio::test(flavor = "multi_thread")]
async fn psycopg_logs_in_and_is_told_why_not() {
    let guarded = Guarded::start().await;
    assert_eq!(guarded.server.python("login.py").await, "ok\n");
}

/// One who has a name and no password.
struct Stranger {
    socket: TcpStream,
    inbox: BytesMut,
}

impl Stranger {
    async fn knock(guarded: &Guarded, name: &str) -> Self {
        let socket = TcpStream::connect(guarded.server.address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let mut startup = Startup::new();
        startup.protocol_number_minor = 0;
        startup.parameters.insert("user".to_owned(), name.to_owned());
        startup.parameters.insert("database".to_owned(), "dreyer".to_owned());
        let mut stranger = Self {
            socket,
            inbox: BytesMut::new(),
        };
        let mut bytes = BytesMut::new();
        Message::Startup(startup).encode(&mut bytes).unwrap();
        stranger.socket.write_all(&bytes).await.unwrap();
        stranger
    }

    async fn next(&mut self) -> Option<Answer> {
        let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
        (context.awaiting_frontend_ssl, context.awaiting_frontend_startup) = (false, false);
        loop {
            if let Some(answer) = Answer::decode(&mut self.inbox, &context).unwrap() {
                return Some(answer);
            }
            if self.socket.read_buf(&mut self.inbox).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn password(&mut self, body: &[u8]) {
        let mut bytes = BytesMut::new();
        bytes.put_u8(b'p');
        bytes.put_u32(u32::try_from(body.len() + 4).unwrap());
        bytes.extend_from_slice(body);
        self.socket.write_all(&bytes).await.unwrap();
    }

    async fn first(&mut self, mechanism: &str, data: &str) {
        let mut body = BytesMut::new();
        body.extend_from_slice(mechanism.as_bytes());
        body.put_u8(0);
        body.put_u32(u32::try_from(data.len()).unwrap());
        body.extend_from_slice(data.as_bytes());
        self.password(&body).await;
    }

    /// Goes through the whole exchange with a proof that is wrong: the challenge, the error, and the time each took.
    async fn try_in(&mut self) -> (String, Vec<(u8, String)>, Duration) {
        assert!(matches!(
            self.next().await,
            Some(Answer::Authentication(Authentication::SASL(_)))
        ));
        let began = Instant::now();
        self.first("SCRAM-SHA-256", "n,,n=,r=rOprNGfwEbeRWgbNEkqO").await;
        let challenge = match self.next().await {
            Some(Answer::Authentication(Authentication::SASLContinue(data))) => data,
            other => panic!("{other:?}"),
        };
        let challenge = String::from_utf8(challenge.to_vec()).unwrap();
        let nonce = challenge.split(',').next().unwrap();
        let proof = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        self.password(format!("c=biws,{nonce},p={proof}").as_bytes()).await;
        let error = self.next().await;
        let took = began.elapsed();
        match error {
            Some(Answer::ErrorResponse(error)) => (challenge, error.fields, took),
            other => panic!("{other:?}"),
        }
    }
}

/// Salt and rounds of a challenge.
fn salt(challenge: &str) -> String {
    challenge.split_once(",s=").unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_exist_is_answered_in_the_same_words() {
    let guarded = Guarded::start().await;
    let mut seen = Vec::new();
    // A user, nobody, and roles without a password.
    for name in ["ada", "eve", "pg_read_all_data", "public"] {
        let (once, error, _) = Stranger::knock(&guarded, name).await.try_in().await;
        let (again, ..) = Stranger::knock(&guarded, name).await.try_in().await;
        assert_eq!(
            salt(&once),
            salt(&again),
            "{name}: a salt that changes tells that there is no user"
        );
        assert_eq!(once.len(), again.len());
        let words: Vec<String> = error
            .iter()
            .map(|(key, text)| format!("{key} {}", text.replace(name, "X")))
            .collect();
        seen.push((once.len(), words.join("\n")));
    }
    assert!(seen[0].1.contains("28P01") && seen[0].1.contains("password authentication failed for user \"X\""));
    assert!(seen.iter().all(|other| *other == seen[0]), "{seen:?}");
}

/// How far two samples are apart, in standard deviations of the sum of ranks (Mann and Whitney).
fn apart(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<_> = one
        .iter()
        .map(|t| (*t, true))
        .chain(other.iter().map(|t| (*t, false)))
        .collect();
    all.sort();
    let ranks: f64 = all
        .iter()
        .enumerate()
        .filter(|(_, (_, first))| *first)
        .map(|(at, _)| at as f64 + 1.0)
        .sum();
    let (n, m) = (one.len() as f64, other.len() as f64);
    (ranks - n * (n + m + 1.0) / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

async fn time_tells_nothing(tries: usize) {
    let mut config = Config::default();
    config.pg.failed_login_delay_ms = 0;
    let guarded = Guarded::with(config).await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..tries + 10 {
        // In turns, and each first as often as the other: the machine drifts.
        let names = if round % 2 == 0 { ["ada", "eve"] } else { ["eve", "ada"] };
        for name in names {
            let (_, _, took) = Stranger::knock(&guarded, name).await.try_in().await;
            if round >= 10 {
                if name == "ada" {
                    known.push(took)
                } else {
                    unknown.push(took)
                }
            }
        }
    }
    let z = apart(&known, &unknown);
    known.sort();
    unknown.sort();
    // Noise alone gives more than 4.5 once in 150,000 runs.
    let medians = (known[tries / 2], unknown[tries / 2]);
    assert!(z.abs() < 4.5, "z = {z}, medians {medians:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_it_takes_does_not_tell_who_exists() {
    time_tells_nothing(150).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: a thousand tries of each"]
async fn the_time_of_a_thousand_tries_does_not_tell_who_exists() {
    time_tells_nothing(1000).await;
}

#[test]
fn samples_that_differ_are_told_apart() {
    let of = |base: u64| {
        (0..150)
            .map(|i| Duration::from_micros(base + i * 7 % 150))
            .collect::<Vec<_>>()
    };
    assert!(apart(&of(100), &of(100)).abs() < 0.5);
    assert!(apart(&of(100), &of(150)).abs() > 4.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_gets_slower() {
    let mut config = Config::default();
    let guarded = {
        config.pg.failed_login_delay_ms = 100;
        let folder = tempfile::tempdir().unwrap();
        config.users_file = Some(folder.path().join("users.json"));
        let server = super::Server::with(config).await;
        Guarded { server, folder }
    };
    guarded.add("ada", &[]);
    let mut waits = Vec::new();
    for _ in 0..4 {
        waits.push(Stranger::knock(&guarded, "ada").await.try_in().await.2.as_millis());
    }
    assert!(
        waits[0] >= 100 && waits[1] >= 200 && waits[2] >= 400 && waits[3] >= 800,
        "{waits:?}"
    );
    let began = Instant::now();
    assert_eq!(guarded.psql("ada", "SELECT 1").await, "1\n");
    assert!(
        began.elapsed() < Duration::from_millis(700),
        "the right password does not wait"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_the_exchange_is_turned_away() {
    let guarded = Guarded::start().await;
    let first = "n,,n=,r=abc";
    for (mechanism, data) in [
        ("SCRAM-SHA-256-PLUS", first),
        ("PLAIN", first),
        ("SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc"),
        ("SCRAM-SHA-256", "n,a=root,n=,r=abc"),
        ("SCRAM-SHA-256", "n,,m=x,n=,r=abc"),
        ("SCRAM-SHA-256", ""),
        ("SCRAM-SHA-256", "\u{0}"),
    ] {
        let mut stranger = Stranger::knock(&guarded, "ada").await;
        stranger.next().await;
        stranger.first(mechanism, data).await;
        assert_eq!(refusal(&mut stranger).await, "08P01", "{mechanism} {data}");
    }
    // A proof with something after it, one that is too short, another nonce, another binding.
    for (nonce, tail) in [
        (true, ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        (true, ",p=AAAA"),
        (true, ",p=*"),
        (true, ""),
        (false, ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ] {
        let mut stranger = Stranger::knock(&guarded, "ada").await;
        stranger.next().await;
        stranger.first("SCRAM-SHA-256", first).await;
        let Some(Answer::Authentication(Authentication::SASLContinue(data))) = stranger.next().await else {
            panic!("no challenge")
        };
        let challenge = String::from_utf8(data.to_vec()).unwrap();
        let nonce = if nonce {
            challenge.split(',').next().unwrap()
        } else {
            "r=abcother"
        };
        stranger.password(format!("c=biws,{nonce}{tail}").as_bytes()).await;
        assert_eq!(refusal(&mut stranger).await, "08P01", "{nonce}{tail}");
    }
    // A query in the place of a password; and a message longer than any password, which is not waited for.
    for bytes in [&b"Q\0\0\0\x0dSELECT 1\0"[..], b"p\x0f\xff\xff\xff", b"p\0\0\0\x03"] {
        let mut stranger = Stranger::knock(&guarded, "ada").await;
        stranger.next().await;
        stranger.socket.write_all(bytes).await.unwrap();
        assert_eq!(refusal(&mut stranger).await, "08P01", "{bytes:?}");
    }
}

async fn refusal(stranger: &mut Stranger) -> String {
    let answer = tokio::time::timeout(Duration::from_secs(5), stranger.next())
        .await
        .unwrap();
    let Some(Answer::ErrorResponse(error)) = answer else {
        panic!("{answer:?}")
    };
    assert!(stranger.next().await.is_none(), "the line ends with it");
    assert!(!stranger.inbox.has_remaining());
    error.fields.iter().find(|(key, _)| *key == b'C').unwrap().1.clone()
}
