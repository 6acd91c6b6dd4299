//! Start-up: from a fresh socket to a session, or to nothing. Also where cancel requests arrive, which come on a line
//! of their own and get no answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use pgwire::api::{ClientInfo, PgWireConnectionState, PidSecretKeyGenerator};
use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, Startup};
use pgwire::messages::{PgWireBackendMessage as Answer, PgWireFrontendMessage as Message, ProtocolVersion};
use pgwire::tokio::server::{MaybeTls, PgWireMessageServerCodec, negotiate_tls};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::codec::Framed;

use super::super::connection::Connection;
use super::super::door::Door;
use super::super::registry::secret_bytes;
use super::super::report;
use super::super::server::Shared;
use super::super::settings::Settings;
use super::super::wire::Wire;
use crate::{DEFAULT_CATALOG, Error, ErrorKind, Result};

/// Time a client has to get from connecting to a session.
const PATIENCE: Duration = Duration::from_secs(30);

/// The one user there is until users are defined.
const USER: &str = crate::DEFAULT_USER;

type Line = Framed<MaybeTls, PgWireMessageServerCodec<()>>;

/// A session that has started, and its place among those allowed.
pub(in crate::pg) struct Started {
    pub(in crate::pg) connection: Connection,
    pub(in crate::pg) permit: OwnedSemaphorePermit,
}

/// Receives a client. `None`: it was a cancel request, was turned away, or left.
pub(in crate::pg) async fn start(socket: TcpStream, shared: &Arc<Shared>) -> Option<Started> {
    tokio::time::timeout(PATIENCE, receive(socket, shared))
        .await
        .ok()
        .flatten()
}

async fn receive(socket: TcpStream, shared: &Arc<Shared>) -> Option<Started> {
    let mut line: Line = negotiate_tls(socket, None).await.ok()??;
    let startup = match line.next().await? {
        Ok(Message::Startup(startup)) => startup,
        Ok(Message::CancelRequest(cancel)) => {
            let secret = secret_bytes(&cancel.secret_key);
            if !shared.registry.cancel(cancel.pid, &secret) {
                // A balancer may have sent it here.
                shared.database.peers().cancel(cancel.pid, Some(secret)).await;
            }
            return None;
        }
        Ok(_) => return None,
        Err(error) => {
            let error = Error::new(ErrorKind::ProtocolViolation, error.to_string());
            return turn_away(line, &error).await;
        }
    };
    match admit(&mut line, &startup, shared).await {
        Ok(Some(admitted)) => Some(admitted.open(line, shared)),
        Ok(None) => None,
        Err(error) => turn_away(line, &error).await,
    }
}

async fn turn_away<T>(mut line: Line, error: &Error) -> Option<T> {
    // Whoever does not wait for the answer misses it.
    let _ = line.send(report::error(error, "FATAL")).await;
    let _ = line.close().await;
    None
}

/// A client that may come in, before its session exists.
struct Admitted {
    door: Arc<Door>,
    session: crate::Session,
    seat: super::super::registry::Seat,
    permit: OwnedSemaphorePermit,
}

impl Admitted {
    fn open(self, line: Line, shared: &Arc<Shared>) -> Started {
        let parts = line.into_parts();
        let version = parts.codec.client_info.protocol_version;
        let wire = Wire::new(parts.io, parts.read_buf, version);
        let connection = Connection::new(wire, Arc::clone(shared), self.session, self.door, self.seat);
        Started {
            connection,
            permit: self.permit,
        }
    }
}

/// Checks who is there and what they ask for, and welcomes them.
async fn admit(line: &mut Line, startup: &Startup, shared: &Arc<Shared>) -> Result<Option<Admitted>> {
    let version = negotiate_version(line, startup).await?;
    line.set_protocol_version(version);
    let user = check_identity(line, startup, shared)?;
    let permit = Arc::clone(&shared.places).try_acquire_owned().map_err(|_| {
        let most = shared.database.config().limits.max_connections;
        Error::new(ErrorKind::TooManyConnections, "sorry, too many clients already")
            .with_detail(format!("{most} connections are open."))
            .with_hint("Close some, or raise limits.max_connections.")
    })?;
    let settings = settings(startup, shared, &user)?;
    let (_, secret) = shared.keys.generate(line);
    let pid = shared.registry.free_pid();
    let seat = shared.registry.enter(pid, secret.clone(), &user, line.socket_addr());
    let session = shared.database.session_as(&user);
    let door = Door::open(&session, shared, &user, pid, settings)?;

    let mut welcome = vec![Answer::Authentication(Authentication::Ok)];
    let reported = door.settings().reported();
    welcome.extend(
        reported
            .into_iter()
            .map(|(name, value)| Answer::ParameterStatus(ParameterStatus::new(name.to_owned(), value))),
    );
    welcome.push(Answer::BackendKeyData(BackendKeyData::new(pid, secret)));
    welcome.push(Answer::ReadyForQuery(ReadyForQuery::new(TransactionStatus::Idle)));
    for message in welcome {
        if line.feed(message).await.is_err() {
            return Ok(None);
        }
    }
    if line.flush().await.is_err() {
        return Ok(None);
    }
    line.set_state(PgWireConnectionState::ReadyForQuery);
    Ok(Some(Admitted {
        door,
        session,
        seat,
        permit,
    }))
}

/// Agrees on a version. A client of a newer minor version, or with options of the protocol itself, is told what it
/// gets instead.
async fn negotiate_version(line: &mut Line, startup: &Startup) -> Result<ProtocolVersion> {
    let (major, minor) = (startup.protocol_number_major, startup.protocol_number_minor);
    let newest = ProtocolVersion::PROTOCOL3_2;
    if major != newest.version_number().0 {
        let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2");
        return Err(Error::new(ErrorKind::NotSupported, message));
    }
    let options: Vec<String> = startup
        .parameters
        .keys()
        .filter(|name| name.starts_with("_pq_."))
        .cloned()
        .collect();
    let known = ProtocolVersion::from_version_number(major, minor);
    if known.is_none() || !options.is_empty() {
        let answer = NegotiateProtocolVersion::new(known.unwrap_or(newest).into(), options);
        // A line that breaks here breaks again at the next write, which is where it is noticed.
        let _ = line.send(Answer::NegotiateProtocolVersion(answer)).await;
    }
    Ok(known.unwrap_or(newest))
}

/// While users have no passwords, anybody on this machine may be any of them, and nobody else is anybody. Gives the
/// user's name.
fn check_identity(line: &Line, startup: &Startup, shared: &Shared) -> Result<String> {
    let peer = line.socket_addr().ip();
    if !peer.to_canonical().is_loopback() {
        return Err(Error::new(
            ErrorKind::InvalidAuthorization,
            format!("no user may connect from {peer}"),
        )
        .with_detail("Users have no passwords, so only this machine is let in."));
    }
    let Some(user) = startup.parameters.get("user") else {
        return Err(Error::new(
            ErrorKind::InvalidAuthorization,
            "no PostgreSQL user name specified in startup packet",
        ));
    };
    let users = &shared.database.config().users;
    if user != USER && !users.iter().any(|known| known.name == *user) {
        return Err(Error::new(
            ErrorKind::InvalidAuthorization,
            format!("role \"{user}\" does not exist"),
        )
        .with_hint(format!("Connect as {USER}: psql -U {USER}.")));
    }
    let database = startup
        .parameters
        .get("database")
        .map_or(DEFAULT_CATALOG, String::as_str);
    if database != DEFAULT_CATALOG {
        return Err(Error::new(
            ErrorKind::UndefinedCatalog,
            format!("database \"{database}\" does not exist"),
        )
        .with_hint(format!("The one database is {DEFAULT_CATALOG}.")));
    }
    Ok(user.clone())
}

/// Settings as the server has them, with those of the start-up message over them.
fn settings(startup: &Startup, shared: &Shared, user: &str) -> Result<Settings> {
    let config = shared.database.config();
    let read_only = if config.access == crate::Access::ReadOnly && config.writable.is_none() {
        "on"
    } else {
        "off"
    };
    let mut settings = Settings::new(&[
        ("session_authorization", user.to_owned()),
        ("default_transaction_read_only", read_only.to_owned()),
        ("transaction_read_only", read_only.to_owned()),
        ("statement_timeout", format!("{}s", config.limits.statement_timeout_s)),
    ]);
    let mut asked: BTreeMap<&str, &str> = BTreeMap::new();
    let options = startup
        .parameters
        .get("options")
        .map(String::as_str)
        .unwrap_or_default();
    let words = words(options);
    asked.extend(switches(&words)?);
    for (name, value) in &startup.parameters {
        if !matches!(name.as_str(), "user" | "database" | "options" | "replication") && !name.starts_with("_pq_.") {
            asked.insert(name, value);
        }
    }
    for (name, value) in asked {
        settings.start_with(name, value)?;
    }
    Ok(settings)
}

/// `-c name=value`, `-cname=value` and `--name=value` of the words of an `options` parameter.
fn switches(words: &[String]) -> Result<Vec<(&str, &str)>> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next().map_or("", String::as_str),
            Some(setting) => setting,
            None => "",
        };
        let Some(pair) = setting.split_once('=') else {
            let message = format!("invalid command-line argument for server process: {word}");
            return Err(Error::new(ErrorKind::Syntax, message).with_hint("Options have the form -c name=value."));
        };
        found.push(pair);
    }
    Ok(found)
}

/// Words between spaces; a backslash keeps the next character.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => words
                .iter_mut()
                .last()
                .into_iter()
                .for_each(|word| word.extend(letters.next())),
            letter if letter.is_whitespace() => words.push(String::new()),
            letter => words.iter_mut().last().into_iter().for_each(|word| word.push(letter)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_postgres_reads_them() {
        let given = words("-c a=b  -cc=d --e=f -c search_path=x,\\ y");
        assert_eq!(
            switches(&given).unwrap(),
            [("a", "b"), ("c", "d"), ("e", "f"), ("search_path", "x, y")]
        );
        assert!(switches(&words("nonsense")).is_err());
        assert!(switches(&words("-c nothing")).is_err());
    }
}
