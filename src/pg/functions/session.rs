//! Who and where: the user, the schema, the settings and the process of the session.

use datafusion::common::{DataFusionError, Result, ScalarValue};
use pgwire::api::Type;

use super::super::door::Door;
use super::super::settings::{self, SERVER_VERSION};
use super::argument::{boolean, integer, some_text, text, truth};
use super::{Row, looking, pure};
use crate::{DEFAULT_CATALOG, Error, ErrorKind};

pub(super) const ROWS: &[Row] = &[
    pure("version", Type::TEXT, |_| {
        let machine = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        Ok(some_text(Some(format!("PostgreSQL {SERVER_VERSION} on {machine}"))))
    }),
    pure("current_database", Type::NAME, database),
    pure("current_catalog", Type::NAME, database),
    looking("current_user", Type::NAME, user),
    looking("session_user", Type::NAME, user),
    looking("current_role", Type::NAME, user),
    looking("user", Type::NAME, user),
    looking("current_schema", Type::NAME, |door, _| {
        Ok(some_text(path(door).into_iter().next()))
    }),
    looking("current_schemas", Type::NAME_ARRAY, |door, arguments| {
        let implicit = boolean(arguments, 0).unwrap_or(false).then(|| "pg_catalog".to_owned());
        Ok(super::arrays::texts(implicit.into_iter().chain(path(door)).collect()))
    }),
    looking("current_setting", Type::TEXT, |door, arguments| {
        let Some(name) = text(arguments, 0) else {
            return Ok(ScalarValue::Utf8(None));
        };
        let settings = door.settings();
        match settings.get(&name) {
            Some(value) => Ok(some_text(Some(value))),
            None if boolean(arguments, 1) == Some(true) => Ok(ScalarValue::Utf8(None)),
            None => Err(failed(settings::unknown(&name))),
        }
    }),
    looking("set_config", Type::TEXT, |door, arguments| {
        let (Some(name), value) = (text(arguments, 0), text(arguments, 1)) else {
            return Ok(ScalarValue::Utf8(None));
        };
        let mut settings = door.settings_mut();
        settings.set(&name, value.as_deref(), false, false).map_err(failed)?;
        Ok(some_text(settings.get(&name)))
    }),
    looking("pg_backend_pid", Type::INT4, |door, _| {
        Ok(ScalarValue::Int32(Some(door.pid)))
    }),
    looking("pg_cancel_backend", Type::BOOL, |door, arguments| {
        let pid = integer(arguments, 0).and_then(|pid| i32::try_from(pid).ok());
        pid.map(|pid| may_stop(door, pid)).transpose()?;
        // Another server is asked only for those who may stop anybody: whose query it is, it alone knows.
        let elsewhere = |pid| stops_anybody(door) && door.database.peers().cancel_and_wait(pid);
        let stop = |pid| door.registry.cancel_unchecked(pid) || elsewhere(pid);
        Ok(ScalarValue::Boolean(pid.map(stop)))
    }),
    looking("pg_terminate_backend", Type::BOOL, |door, arguments| {
        let pid = integer(arguments, 0).and_then(|pid| i32::try_from(pid).ok());
        pid.map(|pid| may_stop(door, pid)).transpose()?;
        Ok(ScalarValue::Boolean(
            pid.map(|pid| door.registry.terminate_unchecked(pid)),
        ))
    }),
    pure("pg_is_in_recovery", Type::BOOL, |_| Ok(truth(false))),
    pure("pg_is_other_temp_schema", Type::BOOL, |_| Ok(truth(false))),
    pure("pg_my_temp_schema", Type::OID, |_| Ok(ScalarValue::UInt32(Some(0)))),
    pure("pg_client_encoding", Type::NAME, |_| Ok(some_text(Some("UTF8")))),
    pure("getdatabaseencoding", Type::NAME, |_| Ok(some_text(Some("UTF8")))),
    looking("pg_postmaster_start_time", Type::TIMESTAMPTZ, |door, _| {
        let since = door.opened.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(ScalarValue::TimestampMicrosecond(
            i64::try_from(since.as_micros()).ok(),
            Some("+00:00".into()),
        ))
    }),
    pure("txid_current", Type::INT8, |_| Ok(ScalarValue::Int64(Some(1)))),
    pure("pg_advisory_unlock_all", Type::TEXT, |_| Ok(some_text(Some("")))),
];

fn database(_: &[ScalarValue]) -> Result<ScalarValue> {
    Ok(some_text(Some(DEFAULT_CATALOG)))
}

fn user(door: &Door, _: &[ScalarValue]) -> Result<ScalarValue> {
    Ok(some_text(Some(door.user.as_str())))
}

/// The schemas of the search path that exist, as of the last look; all of them before the first.
fn path(door: &Door) -> Vec<String> {
    let snapshot = door.snapshot();
    let mut path = door.settings().search_path(&door.user);
    path.retain(|name| snapshot.schemas.is_empty() || snapshot.schemas.iter().any(|schema| schema.name == *name));
    path
}

fn failed(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Admins stop what others run, and so does everybody where nobody has a password.
fn stops_anybody(door: &Door) -> bool {
    door.sight.is_admin()
}

/// A user stops only what is their own.
fn may_stop(door: &Door, pid: i32) -> Result<()> {
    match door.registry.user_of(pid) {
        Some(user) if user != door.user && !stops_anybody(door) => {
            let message = format!("must be {user}, or an admin, to stop what {user} runs");
            Err(failed(Error::new(ErrorKind::Denied, message)))
        }
        _ => Ok(()),
    }
}
