//! `dreyer doctor`: looks at everything that a server or a worker would need, and says what to mend.

use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use tokio::net::TcpListener;

use super::serve::configured;
use super::{Failure, seconds};
use crate::users::Users;
use crate::{Config, Database, Error, ErrorKind, Result, Standing};

/// What `dreyer doctor` is asked to look at. What is given takes the place of the configuration's.
#[derive(Debug, Clone, Default, Args)]
pub struct DoctorArgs {
    /// Directories with HATS catalogues, or addresses.
    pub roots: Vec<String>,
    /// Workers that a server would deal to.
    #[arg(long, value_name = "WORKERS")]
    pub workers: Option<String>,
    /// Configuration file (TOML).
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// Runs the command: a line for each thing that was looked at, on `out`.
///
/// # Errors
/// Something is wrong; the lines say what.
pub async fn doctor(args: DoctorArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let mut report = Report { out, faults: 0 };
    let config = report.look(
        "configuration",
        configured(args.config.as_deref(), args.roots),
        |config| format!("{} roots", config.roots.len()),
    );
    if let Some(mut config) = config {
        config.cluster.workers = args.workers.or(config.cluster.workers);
        report.places(&config).await;
        report.users(&config);
        report.database(config).await;
    }
    match report.faults {
        0 => Ok(()),
        1 => Err(Error::new(ErrorKind::Configuration, "there is a fault to mend").into()),
        number => Err(Error::new(ErrorKind::Configuration, format!("there are {number} faults to mend")).into()),
    }
}

struct Report<'a> {
    out: &'a mut dyn Write,
    faults: usize,
}

impl Report<'_> {
    /// What was found, in a line; the thing itself if it is well.
    fn look<T>(&mut self, what: &str, found: Result<T>, well: impl FnOnce(&T) -> String) -> Option<T> {
        match found {
            Ok(thing) => {
                let words = well(&thing);
                self.say("ok", what, words);
                Some(thing)
            }
            Err(error) => {
                self.faults += 1;
                self.say("FAULT", what, &error.message);
                if let Some(hint) = &error.hint {
                    self.say("", "", format!("HINT:  {hint}"));
                }
                None
            }
        }
    }

    fn say(&mut self, mark: &str, what: &str, words: impl Display) {
        // Nobody reads on: nothing to do about it.
        let _ = writeln!(self.out, "{mark:<6}{what:<15}{words}");
    }

    /// Where we would listen and spill to.
    async fn places(&mut self, config: &Config) {
        let doors = [
            ("pg", Some(config.pg.listen)),
            ("http", config.http.listen),
            ("worker", config.cluster.listen),
            ("coordinator", config.cluster.coordinator_listen),
        ];
        for (door, address) in doors {
            if let Some(address) = address {
                self.look(door, free(address).await, |()| format!("{address} is free"));
            }
        }
        let folder = config.limits.spill_dir.clone().unwrap_or_else(std::env::temp_dir);
        let probe = tempfile_in(&folder);
        self.look("spill", probe, |()| format!("{} can be written", folder.display()));
        let (memory, spill) = (config.limits.memory_bytes >> 20, config.limits.spill_bytes >> 20);
        self.say("ok", "limits", format!("{memory} MiB of memory, {spill} MiB of spill"));
    }

    /// Those who may log in, if there is a place for them.
    fn users(&mut self, config: &Config) {
        let Some(path) = config.users_path() else { return };
        let found = Users::open(&path).map(|users| users.now().map(|roles| roles.users().count()));
        self.look("users", found, |number| match number {
            None => "none: this machine is let in without passwords".to_owned(),
            Some(number) => format!("{number} in {}", path.display()),
        });
    }

    /// The roots and what is under them, and the workers.
    async fn database(&mut self, config: Config) {
        let named = config.cluster.workers.clone();
        let began = Instant::now();
        let opened = Database::open(config).await;
        let well = |database: &Arc<Database>| {
            let tables = database.tables();
            let schemas = tables.schema_names();
            let number: usize = schemas.iter().map(|schema| tables.table_names(schema).len()).sum();
            format!("{number} tables, found in {}", seconds(began.elapsed()))
        };
        let Some(database) = self.look("roots", opened, well) else {
            return;
        };
        let Some(named) = named else { return };
        let members = database.workers();
        if members.is_empty() {
            let fault = Error::new(ErrorKind::WorkerLost, format!("{named} names nobody"));
            self.look("workers", Err::<(), _>(fault), |()| String::new());
        }
        for member in members {
            let found = match &member.standing {
                Standing::Ready => Ok(()),
                other => Err(Error::new(
                    ErrorKind::WorkerLost,
                    format!(
                        "{}: {}: {}",
                        member.url,
                        other.word(),
                        other.reason().unwrap_or_default()
                    ),
                )
                .with_hint("Workers need the program, the roots, the token and the certificates of their servers.")),
            };
            self.look("worker", found, |()| format!("{} is ready", member.url));
        }
    }
}

/// Whether an address could be listened on.
async fn free(address: SocketAddr) -> Result<()> {
    match TcpListener::bind(address).await {
        Ok(_) => Ok(()),
        Err(error) => Err(
            Error::new(ErrorKind::Io, format!("cannot listen on {address}: {error}"))
                .with_hint("Another server may be running."),
        ),
    }
}

/// Whether a file can be made in a folder.
fn tempfile_in(folder: &std::path::Path) -> Result<()> {
    let probe = folder.join(format!("dreyer-doctor-{}", std::process::id()));
    let made = std::fs::write(&probe, b"well").and_then(|()| std::fs::remove_file(&probe));
    made.map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot write in {}: {error}", folder.display()))
            .with_hint("limits.spill_dir names another folder.")
    })
}
