//! Who a session acts as, and what that user may do.
//!
//! Reading is for everybody who may come in. Writing takes two things: a writable root (configuration, `writable`),
//! and the right, which is one of the schemas listed here. A user's tables lie in the schema of the user's name.
//!
//! It knows rights, not people: how a user proves who they are is the front door's business.

use std::collections::BTreeSet;

use crate::{Access, Config, DEFAULT_CATALOG, Error, ErrorKind, Result};

/// The user of a session that was opened without naming one.
pub const DEFAULT_USER: &str = DEFAULT_CATALOG;

/// A user and their rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: String,
    rights: Rights,
}

/// What a user may do besides reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    write: Schemas,
    external: bool,
}

/// Schemas, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Schemas {
    Only(BTreeSet<String>),
    All,
}

impl Rights {
    /// Everything: the owner of the machine, in their own shell.
    pub fn all() -> Self {
        Self {
            write: Schemas::All,
            external: true,
        }
    }

    /// Nothing but reading.
    pub fn none() -> Self {
        Self::write([])
    }

    /// Writing in these schemas, and tables over the files there are.
    pub fn write(schemas: impl IntoIterator<Item = String>) -> Self {
        let schemas: BTreeSet<_> = schemas.into_iter().collect();
        Self {
            external: !schemas.is_empty(),
            write: Schemas::Only(schemas),
        }
    }

    /// The same, with or without the right to `CREATE EXTERNAL TABLE`.
    #[must_use]
    pub fn with_external(mut self, external: bool) -> Self {
        self.external = external;
        self
    }
}

impl Principal {
    /// A user with these rights.
    pub fn new(name: impl Into<String>, rights: Rights) -> Self {
        let name = name.into();
        Self { name, rights }
    }

    /// The user of that name as the configuration has it. Whoever it does not list only reads; while it lists nobody,
    /// [`DEFAULT_USER`] may write in the schema of that name.
    pub(crate) fn of(config: &Config, name: &str) -> Self {
        if config.access == Access::Full {
            return Self::new(name, Rights::all());
        }
        let rights = match config.users.iter().find(|user| user.name == name) {
            Some(user) => {
                let rights = Rights::write(user.write.schemas(name));
                let external = user.external.unwrap_or(rights.external);
                rights.with_external(external)
            }
            None if config.users.is_empty() && name == DEFAULT_USER => Rights::write([name.to_owned()]),
            None => Rights::none(),
        };
        Self::new(name, rights)
    }

    /// The user's name; also that of the schema in which the user's tables lie.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the user may create, change and drop tables of `schema`.
    pub fn can_write(&self, schema: &str) -> bool {
        match &self.rights.write {
            Schemas::All => true,
            Schemas::Only(schemas) => schemas.contains(schema),
        }
    }

    /// Refuses what [`Principal::can_write`] denies.
    ///
    /// # Errors
    /// SQLSTATE 42501, with the schemas that the user may write in.
    pub fn check_write(&self, schema: &str) -> Result<()> {
        if self.can_write(schema) {
            return Ok(());
        }
        let error = denied(format!("permission denied for schema {schema}"));
        Err(match &self.rights.write {
            Schemas::Only(schemas) if !schemas.is_empty() => {
                let schemas: Vec<_> = schemas.iter().map(String::as_str).collect();
                error.with_hint(format!("{} may write in {}.", self.name, schemas.join(", ")))
            }
            _ => error.with_hint(format!(
                "Users with the right to write are those of the configuration; {} only reads.",
                self.name
            )),
        })
    }

    /// Refuses `CREATE EXTERNAL TABLE` to those who may not.
    ///
    /// # Errors
    /// SQLSTATE 42501.
    pub fn check_external(&self) -> Result<()> {
        if self.rights.external {
            return Ok(());
        }
        Err(
            denied("permission denied to create external tables".to_owned()).with_hint(format!(
                "The configuration gives it: external = true for the user {}.",
                self.name
            )),
        )
    }
}

fn denied(message: String) -> Error {
    Error::new(ErrorKind::Denied, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text).unwrap()
    }

    #[test]
    fn without_users_the_default_one_writes_in_its_own_schema() {
        let config = config("");
        let user = Principal::of(&config, DEFAULT_USER);
        assert!(user.can_write("dreyer") && !user.can_write("public"));
        assert!(user.check_external().is_ok());
        let other = Principal::of(&config, "ada");
        assert_eq!(other.check_write("ada").unwrap_err().sqlstate(), "42501");
        assert_eq!(other.check_external().unwrap_err().sqlstate(), "42501");
    }

    #[test]
    fn a_user_has_the_rights_that_are_listed_and_no_other() {
        let config = config(
            "[[users]]\nname = 'ada'\nwrite = true\n[[users]]\nname = 'eve'\n\
             [[users]]\nname = 'max'\nwrite = ['max', 'survey']\nexternal = false\n",
        );
        let (ada, eve, max) = (
            Principal::of(&config, "ada"),
            Principal::of(&config, "eve"),
            Principal::of(&config, "max"),
        );
        assert!(ada.can_write("ada") && !ada.can_write("max"));
        assert!(!eve.can_write("eve"));
        assert!(max.can_write("survey") && max.can_write("max") && !max.can_write("ada"));
        assert!(max.check_external().is_err() && ada.check_external().is_ok());
        assert!(!Principal::of(&config, DEFAULT_USER).can_write(DEFAULT_USER));
        let error = max.check_write("ada").unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("max may write in max, survey."));
    }

    #[test]
    fn the_owner_of_the_machine_may_do_anything() {
        let owner = Principal::of(&config("access = 'full'\n[[users]]\nname = 'ada'\n"), "ada");
        assert!(owner.can_write("anything") && owner.check_external().is_ok());
    }
}
