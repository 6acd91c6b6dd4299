//! TLS: what is asked for is given, what is required is never done without, and nothing is said before it begins.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use dreyer::{Config, TlsMode};
use pgwire::messages::PgWireFrontendMessage as Message;
use pgwire::messages::startup::Startup;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::text;
use super::users::Guarded;
use crate::support::certificates::certificates;

const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
const GSS_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 48];

fn config(folder: &Path, mode: Option<TlsMode>) -> Config {
    let mut config = Config::default();
    config.pg.tls = mode;
    config.pg.tls_cert = Some(folder.join("pod.pem"));
    config.pg.tls_key = Some(folder.join("pod.key"));
    config
}

async fn encrypted(mode: Option<TlsMode>) -> (Guarded, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    (Guarded::with(config(folder.path(), mode)).await, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_required_is_never_done_without() {
    let (guarded, folder) = encrypted(None).await;
    let ask = "SELECT 1";
    assert_eq!(guarded.psql_over("require", "ada", "ada-word", ask).await, "1\n");
    let ca = folder.path().join("ca.pem");
    let full = format!("verify-full sslrootcert={}", ca.display());
    assert_eq!(guarded.psql_over(&full, "ada", "ada-word", ask).await, "1\n");
    for name in ["ada", "eve"] {
        let said = guarded.psql_over("disable", name, "ada-word", ask).await;
        let expected = format!("FATAL:  user \"{name}\" may not connect from 127.0.0.1 without encryption");
        assert!(
            said.contains(&expected) && !said.contains("password authentication"),
            "{said}"
        );
    }
    let bound = "require channel_binding=require";
    assert_eq!(guarded.psql_over(bound, "ada", "ada-word", ask).await, "1\n");
    let said = guarded.psql_over(bound, "ada", "wrong", ask).await;
    assert!(
        said.contains("password authentication failed for user \"ada\""),
        "{said}"
    );
    let unbound = "require channel_binding=disable";
    assert_eq!(guarded.psql_over(unbound, "ada", "ada-word", ask).await, "1\n");
    assert_eq!(guarded.server.python("encryption.py").await, "ok\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_may_be_left_and_what_is_off_is_refused() {
    let (guarded, _folder) = encrypted(Some(TlsMode::Allow)).await;
    for mode in ["require", "disable", "prefer"] {
        assert_eq!(
            guarded.psql_over(mode, "ada", "ada-word", "SELECT 1").await,
            "1\n",
            "{mode}"
        );
    }
    let (guarded, _folder) = encrypted(Some(TlsMode::Off)).await;
    let said = guarded.psql_over("require", "ada", "ada-word", "SELECT 1").await;
    assert!(said.contains("server does not support SSL"), "{said}");
    assert_eq!(guarded.psql_over("prefer", "ada", "ada-word", "SELECT 1").await, "1\n");
}

/// The issuer and dates that openssl sees.
async fn certificate(guarded: &Guarded) -> String {
    let address = guarded.server.address.to_string();
    let output = Command::new("openssl")
        .args(["s_client", "-starttls", "postgres", "-connect", &address, "-showcerts"])
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    let said = text(&output.stdout);
    let begin = said.find("-----BEGIN CERTIFICATE").unwrap_or_else(|| panic!("{said}"));
    let end = said[begin..].find("-----END").unwrap();
    said[begin..begin + end].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_certificate_is_taken_up_without_a_restart() {
    let (guarded, folder) = encrypted(None).await;
    let before = certificate(&guarded).await;
    let (old, new) = (folder.path(), tempfile::tempdir().unwrap());
    certificates(new.path());
    let take = |name: &str| fs::copy(new.path().join(name), old.join(name)).unwrap();
    // Between the two writes they do not fit each other: the old pair goes on.
    take("pod.key");
    assert_eq!(certificate(&guarded).await, before);
    take("pod.pem");
    let after = certificate(&guarded).await;
    assert_ne!(after, before);
    let full = format!(
        "verify-full sslrootcert={} channel_binding=require",
        new.path().join("ca.pem").display()
    );
    assert_eq!(guarded.psql_over(&full, "ada", "ada-word", "SELECT 1").await, "1\n");
    fs::write(old.join("pod.pem"), "nonsense").unwrap();
    assert_eq!(certificate(&guarded).await, after);
}

fn startup(user: &str) -> BytesMut {
    let mut startup = Startup::new();
    startup.protocol_number_minor = 0;
    startup.parameters.insert("user".to_owned(), user.to_owned());
    let mut bytes = BytesMut::new();
    Message::Startup(startup).encode(&mut bytes).unwrap();
    bytes
}

/// Says something in clear text: all that comes back until the line ends or is silent.
async fn said_to(guarded: &Guarded, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(guarded.server.address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = async { while socket.read_buf(&mut answer).await.is_ok_and(|read| read > 0) {} };
    let _ = tokio::time::timeout(Duration::from_millis(700), read).await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_said_before_the_encryption_counts() {
    let (guarded, _folder) = encrypted(Some(TlsMode::Allow)).await;
    let clear = startup("ada");
    // A start-up in the same packet as the question: answered S, and then it is no handshake. No session, no question
    // for a password, no error of ours in clear text.
    let answer = said_to(&guarded, &[SSL_REQUEST, &clear].concat()).await;
    assert_eq!(answer.first(), Some(&b'S'));
    let words = String::from_utf8_lossy(&answer[1..]).into_owned();
    assert!(answer.len() < 20 && !words.contains("SCRAM"), "{answer:?}");
    // GSS is refused, and TLS may be asked for afterwards; each once.
    assert_eq!(said_to(&guarded, GSS_REQUEST).await, b"N");
    assert_eq!(said_to(&guarded, &[GSS_REQUEST, SSL_REQUEST].concat()).await, b"NS");
    let twice = said_to(&guarded, &[GSS_REQUEST, GSS_REQUEST].concat()).await;
    assert!(
        twice.starts_with(b"NE") && String::from_utf8_lossy(&twice).contains("08P01"),
        "{twice:?}"
    );
    // What is too short or too long is refused before it is waited for.
    for length in [0_u32, 4, 7, 10_001, u32::MAX] {
        let answer = said_to(&guarded, &length.to_be_bytes()).await;
        assert!(
            String::from_utf8_lossy(&answer).contains("08P01"),
            "{length}: {answer:?}"
        );
    }
    assert!(String::from_utf8_lossy(&said_to(&guarded, &clear).await).contains("SCRAM-SHA-256"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_encryption_the_question_is_answered_no() {
    let guarded = Guarded::start().await;
    let answer = said_to(&guarded, &[GSS_REQUEST, SSL_REQUEST, &startup("ada")].concat()).await;
    assert!(answer.starts_with(b"NNR"), "{answer:?}");
    // TLS without a question before it.
    assert_eq!(said_to(&guarded, &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]).await, b"");
}

async fn serve(arguments: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dreyer"));
    command.arg("serve").args(arguments).kill_on_drop(true);
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id().unwrap().to_string();
    let stop = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(4)).await;
        std::process::Command::new("kill").arg(id).status().unwrap();
    });
    let output = child.wait_with_output().await.unwrap();
    stop.abort();
    (text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_not_served_in_clear_text_beyond_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (state, config) = (at("state"), at("dreyer.toml"));
    let everywhere = ["--pg", "0.0.0.0:0", "--state", &state];
    let (said, _) = serve(&everywhere).await;
    assert!(
        said.contains("only this machine is let in, since there are no users"),
        "{said}"
    );
    super::users::told(
        &folder.path().join("state/users.json"),
        &["add", "ada", "--password-stdin"],
        "x\n",
    );
    let (said, errors) = serve(&everywhere).await;
    assert!(
        errors.contains("refused to listen on 0.0.0.0:") && errors.contains("without TLS"),
        "{errors}"
    );
    assert!(!said.contains("listening"), "{said}");
    fs::write(&config, "[pg]\ntls = 'off'\n").unwrap();
    let (said, errors) = serve(&[&everywhere[..], &["--config", &config]].concat()).await;
    assert!(said.contains("listening on 0.0.0.0:"), "{said}{errors}");
    fs::write(&config, "[pg]\ntls_cert = '/nowhere'\ntls_key = '/nowhere'\n").unwrap();
    let (said, errors) = serve(&[&everywhere[..], &["--config", &config]].concat()).await;
    assert!(
        errors.contains("cannot use /nowhere for TLS") && !said.contains("listening"),
        "{said}{errors}"
    );
    // Wherever it listens, a file that others may read is not used.
    let users = folder.path().join("state/users.json");
    fs::set_permissions(&users, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let (_, errors) = serve(&["--pg", "127.0.0.1:0", "--state", &state]).await;
    assert!(
        errors.contains("may be read or written by others") && errors.contains("chmod 600"),
        "{errors}"
    );
}
