//! Start-up: from a fresh socket to a session, or to nothing. Also where cancel requests arrive, which come on a line
//! of their own and get no answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use pgwire::api::{ClientInfo, DefaultClient, PidSecretKeyGenerator};
use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, Startup};
use pgwire::messages::{PgWireBackendMessage as Answer, ProtocolVersion};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::super::arrival::{self, Arrival, Client};
use super::super::audit::Who;
use super::super::connection::Connection;
use super::super::door::Door;
use super::super::login;
use super::super::registry::secret_bytes;
use super::super::report::{self, Failure};
use super::super::server::Shared;
use super::super::settings::Settings;
use super::super::wire::Wire;
use crate::{DEFAULT_CATALOG, Error, ErrorKind, Result};

/// Time a client has to get from connecting to a session.
const PATIENCE: Duration = Duration::from_secs(30);

/// The one user there is until users are defined.
const USER: &str = crate::DEFAULT_USER;

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
    let client = match arrival::receive(socket, shared.tls.as_ref()).await {
        Arrival::Client(client) => *client,
        Arrival::Cancel(mut io, cancel) => {
            let secret = secret_bytes(&cancel.secret_key);
            if !shared.registry.cancel(cancel.pid, &secret) {
                // A balancer may have sent it here.
                shared.database.peers().cancel(cancel.pid, Some(secret)).await;
            }
            // An encrypted line that ends without a farewell looks cut off to its client.
            let _ = io.shutdown().await;
            return None;
        }
        Arrival::Refused(io, error) => {
            let wire = Wire::new(io, BytesMut::new(), ProtocolVersion::PROTOCOL3_0);
            return turn_away(wire, &error).await;
        }
        Arrival::Gone => return None,
    };
    let Client { io, peer, tls, startup } = client;
    let mut knock = Knock {
        wire: Wire::new(io, BytesMut::new(), ProtocolVersion::PROTOCOL3_0),
        peer,
        tls,
        startup,
    };
    let began = Instant::now();
    let admitted = knock.admit(shared).await;
    knock.write_down(shared, began, &admitted);
    match admitted {
        Ok(admitted) => Some(admitted.open(knock.wire, shared)),
        Err(Failure::Error(error) | Failure::Fatal(error)) => turn_away(knock.wire, &error).await,
        Err(Failure::Gone) => None,
    }
}

async fn turn_away<T>(mut wire: Wire, error: &Error) -> Option<T> {
    wire.queue(&report::error(error, "FATAL"));
    // Whoever does not wait for the answer misses it.
    wire.close().await;
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
    fn open(self, mut wire: Wire, shared: &Arc<Shared>) -> Started {
        wire.trust();
        let connection = Connection::new(wire, Arc::clone(shared), self.session, self.door, self.seat);
        Started {
            connection,
            permit: self.permit,
        }
    }
}

/// A client that has said what it wants.
struct Knock {
    wire: Wire,
    peer: SocketAddr,
    /// The certificate that the line is encrypted with, if it is.
    tls: Option<Arc<super::super::tls::Loaded>>,
    startup: Startup,
}

impl Knock {
    /// Checks who is there and what they ask for, and welcomes them.
    async fn admit(&mut self, shared: &Arc<Shared>) -> Result<Admitted, Failure> {
        let version = self.negotiate_version().await?;
        self.wire.speak(version);
        let user = self.user()?;
        let asks = shared.database.asks_for_passwords();
        self.check_line(&user, asks, shared)?;
        if asks {
            self.log_in(&user, shared).await?;
        } else {
            self.trust(&user, shared)?;
        }
        self.check_database()?;
        let permit = Arc::clone(&shared.places).try_acquire_owned().map_err(|_| {
            let most = shared.database.config().limits.max_connections;
            Error::new(ErrorKind::TooManyConnections, "sorry, too many clients already")
                .with_detail(format!("{most} connections are open."))
                .with_hint("Close some, or raise limits.max_connections.")
        })?;
        let settings = settings(&self.startup, shared, &user)?;
        let mut client = DefaultClient::<()>::new(self.peer, self.tls.is_some());
        client.set_protocol_version(version);
        let (_, secret) = shared.keys.generate(&client);
        let pid = shared.registry.free_pid();
        let seat = shared.registry.enter(pid, secret.clone(), &user, self.peer);
        let session = shared.database.session_as(&user);
        let door = Door::open(&session, shared, &user, pid, settings)?;

        self.wire.queue(&Answer::Authentication(Authentication::Ok));
        for (name, value) in door.settings().reported() {
            let status = ParameterStatus::new(name.to_owned(), value);
            self.wire.queue(&Answer::ParameterStatus(status));
        }
        self.wire
            .queue(&Answer::BackendKeyData(BackendKeyData::new(pid, secret)));
        let ready = ReadyForQuery::new(TransactionStatus::Idle);
        self.wire.queue(&Answer::ReadyForQuery(ready));
        self.wire.flush().await?;
        Ok(Admitted {
            door,
            session,
            seat,
            permit,
        })
    }

    /// Who came in, and who did not, is written down; not who left before they said anything.
    fn write_down(&self, shared: &Shared, began: Instant, admitted: &Result<Admitted, Failure>) {
        let outcome = match admitted {
            Ok(_) => "00000",
            Err(Failure::Error(error) | Failure::Fatal(error)) => error.sqlstate(),
            Err(Failure::Gone) => return,
        };
        if let Some(audit) = &shared.audit {
            let who = Who {
                user: self.user().unwrap_or_default(),
                address: self.peer,
                pid: None,
            };
            audit.login(&who, outcome, began.elapsed());
        }
    }

    /// Agrees on a version. A client of a newer minor version, or with options of the protocol itself, is told what it
    /// gets instead.
    async fn negotiate_version(&mut self) -> Result<ProtocolVersion, Failure> {
        let startup = &self.startup;
        let (major, minor) = (startup.protocol_number_major, startup.protocol_number_minor);
        let newest = ProtocolVersion::PROTOCOL3_2;
        if major != newest.version_number().0 {
            let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2");
            return Err(Error::new(ErrorKind::NotSupported, message).into());
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
            self.wire.queue(&Answer::NegotiateProtocolVersion(answer));
            self.wire.flush().await?;
        }
        Ok(known.unwrap_or(newest))
    }

    fn user(&self) -> Result<String> {
        self.startup.parameters.get("user").cloned().ok_or_else(|| {
            let message = "no PostgreSQL user name specified in startup packet";
            Error::new(ErrorKind::InvalidAuthorization, message)
        })
    }

    /// Whether anybody may come by this line: from elsewhere only users, and in clear text only where that is allowed.
    fn check_line(&self, user: &str, asks: bool, shared: &Shared) -> Result<()> {
        let peer = self.peer.ip();
        if !asks && !peer.to_canonical().is_loopback() {
            let message = format!("no user may connect from {peer}");
            return Err(Error::new(ErrorKind::InvalidAuthorization, message)
                .with_detail("Users have no passwords, so only this machine is let in.")
                .with_hint("dreyer user add gives a user a password."));
        }
        let required = shared.tls.as_ref().is_some_and(super::super::tls::Tls::is_required);
        if required && self.tls.is_none() {
            let message = format!("user \"{user}\" may not connect from {peer} without encryption");
            return Err(Error::new(ErrorKind::InvalidAuthorization, message).with_hint("Connect with sslmode=require."));
        }
        Ok(())
    }

    /// There are users: whoever comes proves to be one. A failure is answered late, by how often the address has failed.
    async fn log_in(&mut self, user: &str, shared: &Shared) -> Result<(), Failure> {
        let Some(roles) = shared.database.users().and_then(|users| users.now()) else {
            return Err(login::wrong_password(user).into());
        };
        let binding = self.tls.as_ref().and_then(|tls| tls.binding.as_ref());
        let proved = login::prove(&mut self.wire, user, &roles, binding).await;
        if matches!(proved, Err(Failure::Error(_))) {
            tokio::time::sleep(shared.throttle.failed(self.peer.ip(), Instant::now())).await;
        }
        proved
    }

    /// While users have no passwords, anybody on this machine may be any of them.
    fn trust(&self, user: &str, shared: &Shared) -> Result<()> {
        let users = &shared.database.config().users;
        if user != USER && !users.iter().any(|known| known.name == *user) {
            let message = format!("role \"{user}\" does not exist");
            return Err(Error::new(ErrorKind::InvalidAuthorization, message)
                .with_hint(format!("Connect as {USER}: psql -U {USER}.")));
        }
        Ok(())
    }

    fn check_database(&self) -> Result<()> {
        let database = self.startup.parameters.get("database").map(String::as_str);
        match database.unwrap_or(DEFAULT_CATALOG) {
            DEFAULT_CATALOG => Ok(()),
            other => Err(Error::new(
                ErrorKind::UndefinedCatalog,
                format!("database \"{other}\" does not exist"),
            )
            .with_hint(format!("The one database is {DEFAULT_CATALOG}."))),
        }
    }
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
