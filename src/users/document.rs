//! The content of the file, and its text.

use std::collections::{BTreeMap, BTreeSet};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};

use super::Verifier;
use crate::{Error, ErrorKind, Result};

/// The form of the file. A later form gets a later number, and this program refuses it.
const FORM: u32 = 1;

/// The role that everybody has.
pub(crate) const PUBLIC: &str = "public";

/// The role whose members read everything, now and later.
pub(crate) const READ_ALL: &str = "pg_read_all_data";

/// Longest name of a role, in bytes; PostgreSQL's bound.
const NAME_BYTES: usize = 63;

/// All roles, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Roles {
    dreyer_users: u32,
    /// What the salts of users who do not exist are made from.
    secret: Secret,
    pub(crate) roles: BTreeMap<String, Role>,
}

/// A role; a user, if it has a verifier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Role {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verifier: Option<Verifier>,
    /// Whether it may change all this, and sees everything.
    pub(crate) admin: bool,
    /// The roles whose rights it has too.
    pub(crate) member_of: BTreeSet<String>,
    /// Schemas of which it may read all tables, now and later.
    pub(crate) schemas: BTreeSet<String>,
    /// Tables and views that it may read, by schema.
    pub(crate) tables: BTreeMap<String, BTreeSet<String>>,
}

/// Random bytes that are not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Secret(Vec<u8>);

impl Roles {
    /// No users yet. Everybody who will be let in reads everything, until that is taken away.
    pub(super) fn new() -> Self {
        let everybody = Role {
            member_of: [READ_ALL.to_owned()].into(),
            ..Role::default()
        };
        Self {
            dreyer_users: FORM,
            secret: Secret(rand::random::<[u8; 32]>().to_vec()),
            roles: [(PUBLIC.to_owned(), everybody), (READ_ALL.to_owned(), Role::default())].into(),
        }
    }

    #[cfg(test)]
    pub(crate) fn fresh() -> Self {
        Self::new()
    }

    /// Reads the text of a file; `place` is named in errors, and nothing of what is in it.
    pub(super) fn parse(bytes: &[u8], place: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Form {
            dreyer_users: u32,
        }
        let fault = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            let message = format!("{place}: not a file of users: line {line}, column {column}");
            Error::new(ErrorKind::Configuration, message)
        };
        let form: Form = serde_json::from_slice(bytes).map_err(fault)?;
        if form.dreyer_users != FORM {
            let found = form.dreyer_users;
            let message =
                format!("{place}: written in form {found} of the file of users; this program knows form {FORM}");
            return Err(Error::new(ErrorKind::Configuration, message)
                .with_hint("Use the version of dreyer that wrote it, or a later one."));
        }
        serde_json::from_slice(bytes).map_err(fault)
    }

    /// The text of the file, for people too.
    pub(super) fn write(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
    }

    /// What `name` is verified by. For who does not exist, or is no user, the same in all but that nothing passes; and
    /// made at the same cost.
    pub(crate) fn verifier(&self, name: &str) -> Verifier {
        let nobody = Verifier::of_nobody(&self.secret.0, name);
        match self.roles.get(name).and_then(|role| role.verifier.clone()) {
            Some(verifier) => verifier,
            None => nobody,
        }
    }

    /// Adds a role.
    ///
    /// # Errors
    /// SQLSTATE 42710 if it exists, 22023 if nothing can have that name.
    pub(crate) fn add(&mut self, name: &str, role: Role) -> Result<()> {
        check_name(name)?;
        if self.roles.contains_key(name) {
            let message = format!("role \"{name}\" already exists");
            return Err(Error::new(ErrorKind::DuplicateObject, message));
        }
        for group in &role.member_of {
            self.role_mut(group)?;
        }
        self.roles.insert(name.to_owned(), role);
        Ok(())
    }

    /// Removes a role, and with it what it was given.
    ///
    /// # Errors
    /// SQLSTATE 42704 if it does not exist, 42501 if it is one that always exists.
    pub(crate) fn remove(&mut self, name: &str) -> Result<Role> {
        self.role_mut(name)?;
        if [PUBLIC, READ_ALL].contains(&name) {
            let message = format!("role \"{name}\" cannot be dropped");
            return Err(Error::new(ErrorKind::Denied, message).with_hint("It can be revoked."));
        }
        for role in self.roles.values_mut() {
            role.member_of.remove(name);
        }
        Ok(self.roles.remove(name).unwrap_or_default())
    }

    /// A role, to be changed.
    ///
    /// # Errors
    /// SQLSTATE 42704 if it does not exist.
    pub(crate) fn role_mut(&mut self, name: &str) -> Result<&mut Role> {
        self.roles.get_mut(name).ok_or_else(|| missing(name))
    }

    /// Names of those who can log in.
    pub(crate) fn users(&self) -> impl Iterator<Item = (&str, &Role)> {
        let users = self.roles.iter().filter(|(_, role)| role.verifier.is_some());
        users.map(|(name, role)| (name.as_str(), role))
    }

    /// `name` and all roles that it is a member of, through others too; and those that everybody has.
    pub(crate) fn all_of(&self, name: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut next = vec![name, PUBLIC];
        while let Some(name) = next.pop() {
            if let Some((name, role)) = self.roles.get_key_value(name)
                && found.insert(name.as_str())
            {
                next.extend(role.member_of.iter().map(String::as_str));
            }
        }
        found
    }
}

/// The error for a role that is not there.
pub(super) fn missing(name: &str) -> Error {
    Error::new(ErrorKind::UndefinedObject, format!("role \"{name}\" does not exist"))
}

fn check_name(name: &str) -> Result<()> {
    let fine = !name.is_empty() && name.len() <= NAME_BYTES && !name.contains(char::is_control);
    // Names of PostgreSQL's own roles, and of the role that everybody has.
    if fine && !name.starts_with("pg_") && !["none", PUBLIC].contains(&name) {
        return Ok(());
    }
    let message = format!("{name:?} cannot be the name of a role");
    Err(Error::new(ErrorKind::InvalidParameter, message).with_hint(format!(
        "It has 1 to {NAME_BYTES} bytes, does not begin with pg_, and is neither public nor none."
    )))
}

impl TryFrom<String> for Secret {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = BASE64_STANDARD.decode(&text).ok().filter(|bytes| bytes.len() >= 16);
        bytes.map(Self).ok_or_else(|| "at least 16 bytes in base64".to_owned())
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        BASE64_STANDARD.encode(secret.0)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(groups: &[&str]) -> Role {
        Role {
            member_of: groups.iter().map(|name| (*name).to_owned()).collect(),
            ..Role::default()
        }
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let mut roles = Roles::new();
        roles
            .add(
                "ada",
                Role {
                    verifier: Some(Verifier::of("x").unwrap()),
                    ..user(&[])
                },
            )
            .unwrap();
        let text = roles.write().unwrap();
        assert_eq!(Roles::parse(&text, "users.json").unwrap(), roles);
    }

    #[test]
    fn what_is_no_such_file_says_where_and_shows_nothing() {
        for (text, words) in [
            ("", "u: not a file of users"),
            ("{\"dreyer_users\": 2}", "u: written in form 2"),
            (
                "{\"dreyer_users\": 1, \"secret\": \"Halley\", \"roles\": {}}",
                "u: not a file of users: line 1",
            ),
            (
                "{\"dreyer_users\": 1, \"hidden\": \"Halley\"}",
                "u: not a file of users: line 1",
            ),
        ] {
            let error = Roles::parse(text.as_bytes(), "u").unwrap_err();
            assert!(error.message.starts_with(words), "{}", error.message);
            assert!(!error.message.contains("Halley"), "{}", error.message);
        }
    }

    #[test]
    fn roles_come_through_others_and_circles_end() {
        let mut roles = Roles::new();
        roles.add("team", user(&[])).unwrap();
        roles.add("ada", user(&["team"])).unwrap();
        roles.role_mut("team").unwrap().member_of.insert("ada".to_owned());
        assert_eq!(
            roles.all_of("ada"),
            ["ada", "pg_read_all_data", "public", "team"].into()
        );
        assert_eq!(roles.all_of("eve"), ["pg_read_all_data", "public"].into());
        roles.remove("team").unwrap();
        assert_eq!(roles.all_of("ada"), ["ada", "pg_read_all_data", "public"].into());
    }

    #[test]
    fn names_are_checked() {
        let mut roles = Roles::new();
        for name in ["", "public", "pg_monitor", "none", "a\nb"] {
            assert_eq!(roles.add(name, user(&[])).unwrap_err().sqlstate(), "22023", "{name}");
        }
        assert_eq!(roles.add("ada", user(&["nowhere"])).unwrap_err().sqlstate(), "42704");
        roles.add("ada", user(&[])).unwrap();
        assert_eq!(roles.add("ada", user(&[])).unwrap_err().sqlstate(), "42710");
        assert_eq!(roles.remove("eve").unwrap_err().sqlstate(), "42704");
        assert_eq!(roles.remove("public").unwrap_err().sqlstate(), "42501");
    }
}
