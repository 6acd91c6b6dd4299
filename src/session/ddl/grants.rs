//! `GRANT`, `REVOKE`, `CREATE ROLE`, `DROP ROLE`, `ALTER ROLE … PASSWORD`: who reads what, and with which password. Kept in
//! the file of users, and true at once for all sessions of all processes that have it open.
//!
//! | what is granted | means |
//! |---|---|
//! | `SELECT ON t, s.v` | these tables and views |
//! | `SELECT ON ALL TABLES IN SCHEMA s` | those that are there now |
//! | `SELECT ON SCHEMA s` | those that are there, now and later |
//! | a role | what the role may read |

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    Action, AlterRoleOperation, AlterUser, CreateRole, Expr, Grant, GrantObjects, Grantee, GranteeName, GranteesType,
    Ident, ObjectName, Password, Privileges, Revoke, RoleOption,
};

use super::name::{self, Found, TableName};
use super::node::Command;
use super::{Planned, done};
use crate::session::{Outcome, Session};
use crate::users::{PUBLIC, Role, Roles, Users, Verifier};
use crate::{Error, ErrorKind, Result};

/// A change of the roles.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum RoleChange {
    Grant(Given, Vec<String>),
    Revoke(Given, Vec<String>),
    Create {
        names: Vec<String>,
        if_not_exists: bool,
    },
    Drop {
        names: Vec<String>,
        if_exists: bool,
    },
    /// Another password, or none any more. Everybody may change their own.
    Password {
        name: String,
        verifier: Option<Verifier>,
    },
}

/// What is granted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Given {
    Tables(Vec<TableName>),
    Schemas(Vec<String>),
    Roles(Vec<String>),
    /// What needs no granting here.
    Nothing,
}

impl RoleChange {
    /// The words of the command tag.
    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::Grant(..) => "GRANT",
            Self::Revoke(..) => "REVOKE",
            Self::Create { .. } => "CREATE ROLE",
            Self::Drop { .. } => "DROP ROLE",
            Self::Password { .. } => "ALTER ROLE",
        }
    }
}

pub(super) async fn plan_grant(session: &Session, state: &SessionState, grant: &Grant) -> Result<Planned> {
    users(session)?;
    if grant.with_grant_option || grant.current_grants.is_some() {
        return Err(unsupported("WITH GRANT OPTION is not supported"));
    }
    let given = given(session, state, &grant.privileges, grant.objects.as_ref()).await?;
    let change = RoleChange::Grant(given, grantees(&grant.grantees)?);
    Ok(Planned::command(Command::Roles(change), None))
}

pub(super) async fn plan_revoke(session: &Session, state: &SessionState, revoke: &Revoke) -> Result<Planned> {
    users(session)?;
    let given = given(session, state, &revoke.privileges, revoke.objects.as_ref()).await?;
    let change = RoleChange::Revoke(given, grantees(&revoke.grantees)?);
    Ok(Planned::command(Command::Roles(change), None))
}

pub(super) fn plan_create(session: &Session, create: &CreateRole) -> Result<Planned> {
    users(session)?;
    let plain = CreateRole {
        names: create.names.clone(),
        if_not_exists: create.if_not_exists,
        login: create.login.filter(|login| *login),
        inherit: create.inherit.filter(|inherit| !*inherit),
        ..create.clone()
    };
    let special = plain.login.is_some()
        || plain.inherit.is_some()
        || plain.password.is_some()
        || [
            plain.bypassrls,
            plain.superuser,
            plain.create_db,
            plain.create_role,
            plain.replication,
        ]
        .contains(&Some(true))
        || plain.connection_limit.is_some()
        || plain.valid_until.is_some()
        || ![&plain.in_role, &plain.in_group, &plain.role, &plain.user, &plain.admin]
            .into_iter()
            .all(|names: &Vec<Ident>| names.is_empty());
    if special {
        return Err(
            unsupported("CREATE ROLE makes roles without a password and without options")
                .with_hint("dreyer user add makes users; GRANT role TO user makes them members."),
        );
    }
    let change = RoleChange::Create {
        names: names(&plain.names)?,
        if_not_exists: plain.if_not_exists,
    };
    Ok(Planned::command(Command::Roles(change), None))
}

pub(super) fn plan_drop(session: &Session, roles: &[ObjectName], if_exists: bool) -> Result<Planned> {
    users(session)?;
    let change = RoleChange::Drop {
        names: names(roles)?,
        if_exists,
    };
    Ok(Planned::command(Command::Roles(change), None))
}

/// `ALTER USER … PASSWORD`, which psql's `\password` sends.
pub(super) fn plan_alter_user(session: &Session, alter: &AlterUser) -> Result<Planned> {
    let rest = AlterUser {
        password: None,
        if_exists: false,
        ..alter.clone()
    };
    match &alter.password {
        Some(password) if rest.to_string() == format!("ALTER USER {}", alter.name) => {
            plan_password(session, &alter.name, password.password.as_deref())
        }
        _ => Err(only_passwords()),
    }
}

pub(super) fn plan_alter_role(session: &Session, name: &Ident, operation: &AlterRoleOperation) -> Result<Planned> {
    let AlterRoleOperation::WithOptions { options } = operation else {
        return Err(only_passwords());
    };
    match options.as_slice() {
        [RoleOption::Password(Password::NullPassword)] => plan_password(session, name, None),
        [RoleOption::Password(Password::Password(Expr::Value(password)))] => {
            let password = password.clone().into_string().ok_or_else(only_passwords)?;
            plan_password(session, name, Some(&password))
        }
        _ => Err(only_passwords()),
    }
}

/// The password comes as such, or as a verifier that the client has made of it.
fn plan_password(session: &Session, name: &Ident, password: Option<&str>) -> Result<Planned> {
    let name = one_name(&ObjectName::from(vec![name.clone()]))?;
    let verifier = match password {
        Some(password) => Some(match Verifier::try_from(password.to_owned()) {
            Ok(verifier) => verifier,
            Err(_) => Verifier::of(password)?,
        }),
        None => None,
    };
    let change = RoleChange::Password { name, verifier };
    users_for(session, &change)?;
    Ok(Planned::command(Command::Roles(change), None))
}

fn only_passwords() -> Error {
    unsupported("of ALTER ROLE and ALTER USER, only PASSWORD is supported")
        .with_hint("GRANT and REVOKE say what a role may; dreyer user add and drop make users and take them away.")
}

/// The users, for one who may make that change.
fn users_for(session: &Session, change: &RoleChange) -> Result<Arc<Users>> {
    let own = matches!(
        change,
        RoleChange::Password { name, verifier: Some(_) } if name == session.principal().name()
    );
    let known = session.database().users().filter(|users| users.now().is_some());
    match known {
        Some(known) if own => Ok(Arc::clone(known)),
        _ => users(session),
    }
}

/// The users, for one who may change what they may.
fn users(session: &Session) -> Result<Arc<Users>> {
    let users = session.database().users().filter(|users| users.now().is_some());
    let Some(users) = users else {
        return Err(Error::new(
            ErrorKind::NotSupported,
            "there are no users, so nothing can be granted or revoked",
        )
        .with_hint("dreyer user add NAME --admin makes the first."));
    };
    if session.sight().is_admin() {
        return Ok(Arc::clone(users));
    }
    Err(
        Error::new(ErrorKind::Denied, "permission denied to change roles and grants")
            .with_hint("Users who were added with --admin may."),
    )
}

async fn given(
    session: &Session,
    state: &SessionState,
    privileges: &Privileges,
    objects: Option<&GrantObjects>,
) -> Result<Given> {
    let actions = match privileges {
        Privileges::Actions(actions) => actions.as_slice(),
        Privileges::All { .. } => return Err(only_select("ALL")),
    };
    let Some(objects) = objects else {
        let role = |action: &Action| match action {
            Action::Role { role } => one_name(role),
            other => Err(only_select(&other.to_string())),
        };
        return Ok(Given::Roles(actions.iter().map(role).collect::<Result<_>>()?));
    };
    if matches!((actions, objects), ([Action::Usage], GrantObjects::Schemas(_))) {
        return Ok(Given::Nothing);
    }
    if let Some(other) = actions
        .iter()
        .find(|action| **action != Action::Select { columns: None })
    {
        return Err(only_select(&other.to_string()));
    }
    match objects {
        GrantObjects::Tables(tables) => {
            let mut found = Vec::with_capacity(tables.len());
            for table in tables {
                found.push(existing(session, state, table).await?);
            }
            Ok(Given::Tables(found))
        }
        GrantObjects::AllTablesInSchema { schemas } => {
            let mut found = Vec::new();
            for schema in names(schemas)? {
                let provider = name::schema_of(state, &schema).ok_or_else(|| no_schema(&schema))?;
                let shared = provider.table_names().into_iter().filter(|table| {
                    name::found(session, provider.as_ref(), &schema, table).is_some_and(|found| found != Found::Own)
                });
                found.extend(shared.map(|name| TableName {
                    schema: schema.clone(),
                    name,
                }));
            }
            Ok(Given::Tables(found))
        }
        // One that is not there yet may come.
        GrantObjects::Schemas(schemas) => Ok(Given::Schemas(names(schemas)?)),
        other => Err(unsupported(&format!("privileges on {other} are not supported"))
            .with_hint("SELECT can be granted on tables, views and schemas.")),
    }
}

async fn existing(session: &Session, state: &SessionState, table: &ObjectName) -> Result<TableName> {
    match name::find(session, state, table).await? {
        Some((name, Found::Shared | Found::View(_))) => Ok(name),
        Some((name, Found::Own)) => {
            let message = format!("\"{name}\" is the session's own, which nobody else sees");
            Err(Error::new(ErrorKind::WrongObjectType, message))
        }
        None => {
            let (schema, table) = name::parts(table)?;
            let full = schema.map_or_else(|| table.clone(), |schema| format!("{schema}.{table}"));
            Err(name::undefined(&full, &table))
        }
    }
}

fn grantees(grantees: &[Grantee]) -> Result<Vec<String>> {
    let name = |grantee: &Grantee| match (&grantee.grantee_type, &grantee.name) {
        (GranteesType::Public, None) => Ok(PUBLIC.to_owned()),
        (
            GranteesType::None | GranteesType::Role | GranteesType::User | GranteesType::Group,
            Some(GranteeName::ObjectName(name)),
        ) => one_name(name),
        _ => Err(unsupported(&format!("{grantee} is not a role"))),
    };
    grantees.iter().map(name).collect()
}

fn names(names: &[ObjectName]) -> Result<Vec<String>> {
    names.iter().map(one_name).collect()
}

/// A name of one part; in lower case unless quoted.
fn one_name(name: &ObjectName) -> Result<String> {
    match name::parts(name)? {
        (None, name) => Ok(name),
        _ => Err(Error::new(
            ErrorKind::Syntax,
            format!("{name} has more parts than a name has here"),
        )),
    }
}

pub(super) async fn run(session: &Session, change: &RoleChange) -> Result<Outcome> {
    let users = users_for(session, change)?;
    let (own, own_name) = (change.clone(), session.principal().name().to_owned());
    // It waits for a lock and for the disk.
    let changed = tokio::task::spawn_blocking(move || users.change(|roles| apply(roles, &own, &own_name))).await;
    let notices = changed.map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))??;
    match done(change.verb()) {
        Outcome::Done { tag, .. } => Ok(Outcome::Done { tag, notices }),
        rows @ Outcome::Rows(_) => Ok(rows),
    }
}

/// What was granted on a table or view that is no more: another of that name begins with nothing.
///
/// # Errors
/// The file of users cannot be written.
pub(super) async fn forget(session: &Session, table: &TableName) -> Result<()> {
    let granted = |roles: &Roles| {
        let mut tables = roles.roles.values().filter_map(|role| role.tables.get(&table.schema));
        tables.any(|names| names.contains(&table.name))
    };
    let users = session.database().users();
    let Some(users) = users.filter(|users| users.now().is_some_and(|roles| granted(&roles))) else {
        return Ok(());
    };
    let (users, gone) = (Arc::clone(users), Given::Tables(vec![table.clone()]));
    let change = move |roles: &mut Roles| {
        let names: Vec<String> = roles.roles.keys().cloned().collect();
        names.iter().try_for_each(|name| revoke(roles, &gone, name))
    };
    let changed = tokio::task::spawn_blocking(move || users.change(change)).await;
    changed.map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?
}

/// Changes the roles; gives what is worth knowing.
fn apply(roles: &mut Roles, change: &RoleChange, user: &str) -> Result<Vec<String>> {
    match change {
        RoleChange::Grant(given, to) => {
            for role in to {
                grant(roles, given, role)?;
            }
            Ok(match given {
                Given::Nothing => vec!["USAGE of a schema comes with SELECT on what lies in it".to_owned()],
                _ => Vec::new(),
            })
        }
        RoleChange::Revoke(given, from) => {
            let mut notices = Vec::new();
            for role in from {
                revoke(roles, given, role)?;
                notices.extend(still(roles, given, role));
            }
            Ok(notices)
        }
        RoleChange::Create { names, if_not_exists } => {
            let mut notices = Vec::new();
            for name in names {
                match roles.add(name, Role::default()) {
                    Err(error) if error.kind == ErrorKind::DuplicateObject && *if_not_exists => {
                        notices.push(format!("{}, skipping", error.message));
                    }
                    other => other?,
                }
            }
            Ok(notices)
        }
        RoleChange::Password { name, verifier } => {
            if roles.role_mut(name)?.verifier.is_none() {
                let message = format!("role \"{name}\" is no user");
                return Err(Error::new(ErrorKind::Invalid, message).with_hint("dreyer user add makes users."));
            }
            roles.role_mut(name)?.verifier.clone_from(verifier);
            Ok(Vec::new())
        }
        RoleChange::Drop { names, if_exists } => {
            let mut notices = Vec::new();
            for name in names {
                if name == user {
                    return Err(Error::new(ErrorKind::Invalid, "current user cannot be dropped"));
                }
                match roles.remove(name) {
                    Err(error) if error.kind == ErrorKind::UndefinedObject && *if_exists => {
                        notices.push(format!("{}, skipping", error.message));
                    }
                    other => drop(other?),
                }
            }
            Ok(notices)
        }
    }
}

fn grant(roles: &mut Roles, given: &Given, to: &str) -> Result<()> {
    if let Given::Roles(groups) = given {
        for group in groups {
            roles.role_mut(group)?;
            if group == to || (group != PUBLIC && roles.all_of(group).contains(to) && to != PUBLIC) {
                let message = format!("role \"{to}\" is a member of role \"{group}\", or would be of itself");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        }
    }
    let role = roles.role_mut(to)?;
    match given {
        Given::Tables(tables) => {
            for table in tables {
                role.tables
                    .entry(table.schema.clone())
                    .or_default()
                    .insert(table.name.clone());
            }
        }
        Given::Schemas(schemas) => role.schemas.extend(schemas.iter().cloned()),
        Given::Roles(groups) => role.member_of.extend(groups.iter().cloned()),
        Given::Nothing => {}
    }
    Ok(())
}

fn revoke(roles: &mut Roles, given: &Given, from: &str) -> Result<()> {
    if let Given::Roles(groups) = given {
        for group in groups {
            roles.role_mut(group)?;
        }
    }
    let role = roles.role_mut(from)?;
    match given {
        Given::Tables(tables) => {
            for table in tables {
                if let Some(names) = role.tables.get_mut(&table.schema) {
                    names.remove(&table.name);
                }
            }
            role.tables.retain(|_, names| !names.is_empty());
        }
        Given::Schemas(schemas) => role.schemas.retain(|schema| !schemas.contains(schema)),
        Given::Roles(groups) => role.member_of.retain(|group| !groups.contains(group)),
        Given::Nothing => {}
    }
    Ok(())
}

/// What a role still reads after it was revoked, because of other grants: PostgreSQL says nothing, and many were surprised.
fn still(roles: &Roles, given: &Given, role: &str) -> Vec<String> {
    let all: BTreeSet<&str> = roles.all_of(role);
    let holders = |holds: &dyn Fn(&str, &Role) -> bool| -> Vec<String> {
        let known = all.iter().filter_map(|name| Some((*name, roles.roles.get(*name)?)));
        known
            .filter(|(name, role)| *name == crate::users::READ_ALL || holds(name, role))
            .map(|(name, _)| name.to_owned())
            .collect()
    };
    let say = |what: String, by: Vec<String>| {
        let other = !by.is_empty();
        other.then(|| format!("{role} still reads {what}, by what is granted to {}", by.join(", ")))
    };
    match given {
        Given::Tables(tables) => {
            let of_table = |table: &TableName| {
                let by = holders(&|_, role| {
                    let names = role.tables.get(&table.schema);
                    role.schemas.contains(&table.schema) || names.is_some_and(|names| names.contains(&table.name))
                });
                say(table.to_string(), by)
            };
            tables.iter().filter_map(of_table).collect()
        }
        Given::Schemas(schemas) => {
            let of_schema = |schema: &String| {
                let by = holders(&|_, role| role.schemas.contains(schema) || role.tables.contains_key(schema));
                say(format!("in schema {schema}"), by)
            };
            schemas.iter().filter_map(of_schema).collect()
        }
        Given::Roles(_) | Given::Nothing => Vec::new(),
    }
}

fn unsupported(message: &str) -> Error {
    Error::new(ErrorKind::NotSupported, message)
}

fn only_select(what: &str) -> Error {
    unsupported(&format!("privilege {what} cannot be granted"))
        .with_hint("SELECT can, on tables, views and schemas; who writes is said in the configuration.")
}

fn no_schema(schema: &str) -> Error {
    Error::new(
        ErrorKind::UndefinedSchema,
        format!("schema \"{schema}\" does not exist"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::READ_ALL;

    fn tables(names: &[&str]) -> Given {
        let table = |name: &&str| TableName {
            schema: "public".to_owned(),
            name: (*name).to_owned(),
        };
        Given::Tables(names.iter().map(table).collect())
    }

    fn of(change: fn(Given, Vec<String>) -> RoleChange, given: Given, role: &str) -> RoleChange {
        change(given, vec![role.to_owned()])
    }

    #[test]
    fn what_is_granted_can_be_revoked_and_what_stays_is_told() {
        let mut roles = Roles::fresh();
        let mut run = |change| apply(&mut roles, &change, "root");
        let create = RoleChange::Create {
            names: vec!["team".to_owned(), "ada".to_owned()],
            if_not_exists: false,
        };
        run(create.clone()).unwrap();
        assert_eq!(run(create).unwrap_err().sqlstate(), "42710");
        let told = run(of(RoleChange::Revoke, tables(&["a"]), "ada")).unwrap();
        assert_eq!(told, ["ada still reads a, by what is granted to pg_read_all_data"]);
        run(of(RoleChange::Revoke, Given::Roles(vec![READ_ALL.to_owned()]), PUBLIC)).unwrap();
        run(of(RoleChange::Grant, tables(&["a", "b"]), "team")).unwrap();
        run(of(RoleChange::Grant, Given::Roles(vec!["team".to_owned()]), "ada")).unwrap();
        let told = run(of(RoleChange::Revoke, tables(&["a"]), "ada")).unwrap();
        assert_eq!(told, ["ada still reads a, by what is granted to team"]);
        assert_eq!(
            run(of(RoleChange::Revoke, tables(&["a"]), "team")).unwrap(),
            Vec::<String>::new()
        );
        let circle = of(RoleChange::Grant, Given::Roles(vec!["ada".to_owned()]), "team");
        assert_eq!(run(circle).unwrap_err().sqlstate(), "42000");
        let nobody = of(RoleChange::Grant, tables(&["a"]), "nobody");
        assert_eq!(run(nobody).unwrap_err().sqlstate(), "42704");
        let root = RoleChange::Drop {
            names: vec!["root".to_owned()],
            if_exists: true,
        };
        assert!(run(root).is_err());
        assert_eq!(roles.roles["team"].tables["public"], ["b".to_owned()].into());
    }
}
