//! What a session has SET: a value for every row of the [`table`], with PostgreSQL's rules for when a change ends.
//!
//! A change inside a transaction block that rolls back is undone; `SET LOCAL` ends with its block whatever happens.
//! Settings with a dot in their name (`dreyer.dialect`, `datafusion.…`) belong to the engine and are not kept here, but
//! for those that the engine has no part in.

mod table;
mod value;

use std::collections::BTreeMap;
use std::time::Duration;

use datafusion::arrow::array::timezone::Tz;

use super::encode::Style;
use crate::{Error, ErrorKind, Result};
pub(super) use table::SERVER_VERSION;
use table::{SETTINGS, Setting};

/// The settings of one session.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// What RESET goes back to: the table's default, or what the client asked for at start-up.
    base: BTreeMap<&'static str, String>,
    current: BTreeMap<&'static str, String>,
    /// Values before the open transaction block, by setting changed in it; `true` if only by SET LOCAL.
    before: BTreeMap<&'static str, (String, bool)>,
}

impl Settings {
    /// Defaults, with what `initial` says of the server and the user.
    pub(super) fn new(initial: &[(&str, String)]) -> Self {
        let mut base: BTreeMap<_, _> = SETTINGS.iter().map(|row| (row.name, row.default.to_owned())).collect();
        for (name, value) in initial {
            if let Some(row) = table::find(name) {
                base.insert(row.name, (row.check)(value).unwrap_or_else(|| value.clone()));
            }
        }
        Self {
            current: base.clone(),
            base,
            before: BTreeMap::new(),
        }
    }

    /// Takes a setting from the start-up message: it becomes what RESET goes back to.
    pub(super) fn start_with(&mut self, name: &str, value: &str) -> Result<()> {
        let (row, value) = checked(name, value)?;
        self.base.insert(row.name, value.clone());
        self.current.insert(row.name, value);
        Ok(())
    }

    /// SET: `None` is DEFAULT. In a transaction block the old value is kept until the block ends.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>, in_block: bool, local: bool) -> Result<()> {
        let (row, value) = match value {
            Some(value) => checked(name, value)?,
            None => {
                let row = changeable(name)?;
                (row, self.base.get(row.name).cloned().unwrap_or_default())
            }
        };
        if local && !in_block {
            return Ok(());
        }
        let old = self.current.insert(row.name, value).unwrap_or_default();
        if in_block {
            let entry = self.before.entry(row.name).or_insert((old, true));
            entry.1 &= local;
        }
        Ok(())
    }

    /// RESET ALL.
    pub(super) fn reset_all(&mut self) {
        for row in SETTINGS.iter().filter(|row| row.changeable) {
            if let Some(base) = self.base.get(row.name) {
                self.current.insert(row.name, base.clone());
            }
        }
    }

    /// The transaction block has ended.
    pub(super) fn end_block(&mut self, committed: bool) {
        for (name, (value, local)) in std::mem::take(&mut self.before) {
            if local || !committed {
                self.current.insert(name, value);
            }
        }
    }

    /// The value, if there is such a setting.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.current.get(table::find(name)?.name).map(String::as_str)
    }

    /// Name, value and description of each setting, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &str, &'static str)> {
        self.current.iter().map(|(name, value)| {
            (
                *name,
                value.as_str(),
                table::find(name).map_or("", |row| row.description),
            )
        })
    }

    /// The settings that clients are told about, at the start and whenever they change.
    pub(super) fn reported(&self) -> Vec<(&'static str, String)> {
        let reported = SETTINGS.iter().filter(|row| row.reported);
        reported
            .map(|row| (row.name, self.current.get(row.name).cloned().unwrap_or_default()))
            .collect()
    }

    /// How values are to look.
    pub(super) fn style(&self) -> Style {
        let digits = self.get("extra_float_digits").and_then(|digits| digits.parse().ok());
        Style {
            time_zone: self.get("TimeZone").and_then(|zone| zone.parse::<Tz>().ok()),
            extra_float_digits: digits.unwrap_or(1),
        }
    }

    /// How long a statement may run; `None` without bound.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        let millis = self.get("statement_timeout").and_then(value::milliseconds)?;
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// How long the session may stand idle, in a transaction block or outside one; `None` without bound.
    pub(super) fn idle_timeout(&self, in_block: bool) -> Option<Duration> {
        let name = if in_block {
            "idle_in_transaction_session_timeout"
        } else {
            "idle_session_timeout"
        };
        let millis = self.get(name).and_then(value::milliseconds)?;
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// Whether the client wants to know how far its statements have come.
    pub(super) fn tells_progress(&self) -> bool {
        self.get("dreyer.progress") == Some("on")
    }

    /// The schemas that names without a schema are looked up in, in order. `$user` is the schema of the user's name.
    pub(super) fn search_path(&self, user: &str) -> Vec<String> {
        value::names(self.get("search_path").unwrap_or_default())
            .into_iter()
            .map(|name| if name == "$user" { user.to_owned() } else { name })
            .filter(|name| name != "pg_catalog")
            .collect()
    }
}

fn changeable(name: &str) -> Result<&'static Setting> {
    let row = table::find(name).ok_or_else(|| unknown(name))?;
    if row.changeable {
        return Ok(row);
    }
    Err(Error::new(
        ErrorKind::CannotChange,
        format!("parameter \"{}\" cannot be changed", row.name),
    ))
}

fn checked(name: &str, value: &str) -> Result<(&'static Setting, String)> {
    let row = changeable(name)?;
    match (row.check)(value) {
        Some(value) => Ok((row, value)),
        None => {
            let message = format!("invalid value for parameter \"{}\": \"{value}\"", row.name);
            let error = Error::new(ErrorKind::InvalidParameter, message);
            Err(if row.accepts.is_empty() {
                error
            } else {
                error.with_hint(format!("Available values: {}.", row.accepts))
            })
        }
    }
}

/// The name of a setting as it is spelt here; that of the engine's, and of none, as it is.
pub(super) fn canonical(name: &str) -> &str {
    table::find(name).map_or(name, |row| row.name)
}

/// The error for a setting that does not exist.
pub(super) fn unknown(name: &str) -> Error {
    let error = Error::new(
        ErrorKind::UndefinedObject,
        format!("unrecognized configuration parameter \"{name}\""),
    );
    match crate::error::nearest(name, SETTINGS.iter().map(|row| row.name)) {
        Some(near) => error.with_hint(format!("Did you mean \"{near}\"?")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new(&[("session_authorization", "dreyer".to_owned())])
    }

    #[test]
    fn every_default_passes_its_own_check() {
        for row in SETTINGS {
            assert!(!row.changeable || (row.check)(row.default).is_some(), "{}", row.name);
        }
    }

    #[test]
    fn names_ignore_case_and_values_are_checked() {
        let mut settings = settings();
        settings.set("timezone", Some("Asia/Kolkata"), false, false).unwrap();
        assert_eq!(settings.get("TIMEZONE"), Some("Asia/Kolkata"));
        assert_eq!(
            settings
                .set("TimeZone", Some("Mars/Olympus"), false, false)
                .unwrap_err()
                .sqlstate(),
            "22023"
        );
        assert_eq!(
            settings
                .set("no_such_thing", Some("1"), false, false)
                .unwrap_err()
                .sqlstate(),
            "42704"
        );
        assert_eq!(
            settings
                .set("server_version", Some("1"), false, false)
                .unwrap_err()
                .sqlstate(),
            "55P02"
        );
        assert_eq!(
            settings
                .set("client_encoding", Some("LATIN1"), false, false)
                .unwrap_err()
                .sqlstate(),
            "22023"
        );
        settings.set("timezone", None, false, false).unwrap();
        assert_eq!(settings.get("TimeZone"), Some("UTC"));
    }

    #[test]
    fn a_rolled_back_block_takes_its_settings_along() {
        let mut settings = settings();
        settings.set("statement_timeout", Some("1s"), true, false).unwrap();
        assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(1)));
        settings.end_block(false);
        assert_eq!(settings.statement_timeout(), None);

        settings.set("statement_timeout", Some("250"), true, false).unwrap();
        settings.set("application_name", Some("x"), true, true).unwrap();
        settings.end_block(true);
        assert_eq!(settings.statement_timeout(), Some(Duration::from_millis(250)));
        assert_eq!(settings.get("application_name"), Some(""));
    }

    #[test]
    fn reset_goes_back_to_what_the_client_started_with() {
        let mut settings = settings();
        settings.start_with("application_name", "topcat").unwrap();
        settings.set("application_name", Some("psql"), false, false).unwrap();
        settings.reset_all();
        assert_eq!(settings.get("application_name"), Some("topcat"));
    }
}
