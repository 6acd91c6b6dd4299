//! What a session sees: the tables that its user may read. What it does not see does not exist for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{READ_ALL, Roles, Users};
use crate::Principal;

/// What one user sees. Clones share what they have worked out.
#[derive(Clone)]
pub(crate) struct Sight {
    /// `None`: everything.
    limits: Option<Arc<Limits>>,
}

struct Limits {
    users: Arc<Users>,
    principal: Arc<Principal>,
    /// What was worked out last, and from which content of the file.
    known: Mutex<Option<(Arc<Roles>, Arc<Reach>)>>,
}

/// The rights of a user, gathered from all their roles.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reach {
    admin: bool,
    all: bool,
    schemas: BTreeSet<String>,
    tables: BTreeMap<String, BTreeSet<String>>,
}

impl Reach {
    fn of(roles: &Roles, user: &str) -> Self {
        let mut reach = Self::default();
        for name in roles.all_of(user) {
            let Some(role) = roles.roles.get(name) else { continue };
            // Being an administrator is not passed on by membership, as with PostgreSQL's superusers.
            reach.admin |= role.admin && name == user;
            reach.all |= name == READ_ALL;
            reach.schemas.extend(role.schemas.iter().cloned());
            for (schema, tables) in &role.tables {
                reach
                    .tables
                    .entry(schema.clone())
                    .or_default()
                    .extend(tables.iter().cloned());
            }
        }
        reach.all |= reach.admin;
        reach
    }
}

impl Sight {
    /// All there is.
    pub(crate) fn everything() -> Self {
        Self { limits: None }
    }

    /// What the user sees; as long as there is no file of users, everything.
    pub(crate) fn of(users: Arc<Users>, principal: Arc<Principal>) -> Self {
        let limits = Limits {
            users,
            principal,
            known: Mutex::default(),
        };
        Self {
            limits: Some(Arc::new(limits)),
        }
    }

    /// Whether the user may read a table or view.
    pub(crate) fn sees(&self, schema: &str, table: &str) -> bool {
        self.asks(|reach| {
            reach.all
                || reach.schemas.contains(schema)
                || reach.tables.get(schema).is_some_and(|tables| tables.contains(table))
        }) || self.owns(schema)
    }

    /// Whether everything there is, and will be, may be read.
    pub(crate) fn sees_all(&self) -> bool {
        self.asks(|reach| reach.all)
    }

    /// Whether the user may say who sees what.
    pub(crate) fn is_admin(&self) -> bool {
        self.asks(|reach| reach.admin)
    }

    /// The roles of the user, their own among them; `None` where there are no roles.
    pub(crate) fn roles(&self) -> Option<BTreeSet<String>> {
        let limits = self.limits.as_ref()?;
        let roles = limits.users.now()?;
        let mut names: BTreeSet<String> = if self.is_admin() {
            roles.roles.keys().cloned().collect()
        } else {
            roles
                .all_of(limits.principal.name())
                .into_iter()
                .map(str::to_owned)
                .collect()
        };
        names.remove(super::PUBLIC);
        Some(names)
    }

    /// Whoever may write in a schema sees what is in it.
    fn owns(&self, schema: &str) -> bool {
        let principal = self.limits.as_ref().map(|limits| &limits.principal);
        principal.is_some_and(|principal| principal.can_write(schema))
    }

    fn asks(&self, question: impl Fn(&Reach) -> bool) -> bool {
        let Some(limits) = &self.limits else { return true };
        let Some(roles) = limits.users.now() else { return true };
        question(&limits.reach(&roles))
    }
}

impl Limits {
    fn reach(&self, roles: &Arc<Roles>) -> Arc<Reach> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((of, reach)) if Arc::ptr_eq(of, roles) => Arc::clone(reach),
            _ => {
                let reach = Arc::new(Reach::of(roles, self.principal.name()));
                *known = Some((Arc::clone(roles), Arc::clone(&reach)));
                reach
            }
        }
    }
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.limits.as_ref().map(|limits| limits.principal.name());
        f.debug_struct("Sight").field("user", &user).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::{PUBLIC, Role};

    #[test]
    fn rights_are_gathered_from_all_roles() {
        let mut roles = Roles::new();
        let team = Role {
            schemas: ["survey".to_owned()].into(),
            tables: [("public".to_owned(), ["stars".to_owned()].into())].into(),
            admin: true,
            ..Role::default()
        };
        roles.add("team", team).unwrap();
        let ada = Role {
            member_of: ["team".to_owned()].into(),
            ..Role::default()
        };
        roles.add("ada", ada).unwrap();
        assert!(Reach::of(&roles, "ada").all && Reach::of(&roles, "eve").all);
        roles.role_mut(PUBLIC).unwrap().member_of.clear();
        let reach = Reach::of(&roles, "ada");
        assert!(!reach.all && !reach.admin && reach.schemas.contains("survey"));
        assert!(reach.tables["public"].contains("stars"));
        assert_eq!(Reach::of(&roles, "eve"), Reach::default());
        roles.role_mut("ada").unwrap().admin = true;
        assert!(Reach::of(&roles, "ada").all);
    }
}
