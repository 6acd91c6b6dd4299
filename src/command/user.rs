//! `dreyer user`: who may log in. It changes the file of users, which a running server looks at again by itself.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::Failure;
use super::secret::new_password;
use super::serve::configured;
use crate::users::{PUBLIC, READ_ALL, Role, Roles, Users, Verifier};
use crate::{Error, ErrorKind, Result};

/// What `dreyer user` is asked to do.
#[derive(Debug, Clone, Args)]
pub struct UserArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
}

/// Which file of users.
#[derive(Debug, Clone, Args)]
struct Place {
    /// The file of users.
    #[arg(long, value_name = "FILE", global = true)]
    users: Option<PathBuf>,
    /// The server's --state: its file of users is users.json in it.
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<String>,
    /// The server's configuration, which names one of these.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Add a user. Asks for the password.
    Add {
        name: String,
        /// May say who reads what (GRANT, REVOKE), and sees everything.
        #[arg(long)]
        admin: bool,
        /// A role to be a member of; can be repeated.
        #[arg(long, value_name = "ROLE")]
        member_of: Vec<String>,
        /// Take the password from the first line of the standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the users.
    List,
    /// Give a user another password.
    Passwd {
        name: String,
        /// Take the password from the first line of the standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Take a user away, with all they were granted.
    Drop { name: String },
}

/// Runs the command; says on `out` what was done.
///
/// # Errors
/// The user exists, or does not; the file cannot be read or written.
pub async fn user(args: UserArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let users = open(args.place)?;
    match args.action {
        Action::Add {
            name,
            admin,
            member_of,
            password_stdin,
        } => add(&users, &name, admin, member_of, password_stdin, out)?,
        Action::List => list(&users, out)?,
        Action::Passwd { name, password_stdin } => {
            users.now().map_or(Ok(()), |roles| existing(&roles, &name))?;
            let verifier = Verifier::of(&new_password(&name, password_stdin)?)?;
            users.change(|roles| {
                existing(roles, &name)?;
                roles.role_mut(&name)?.verifier = Some(verifier);
                Ok(())
            })?;
            say(out, &format!("{name} has another password"))?;
        }
        Action::Drop { name } => {
            let left = users.change(|roles| {
                existing(roles, &name)?;
                roles.remove(&name)?;
                Ok(roles.users().count())
            })?;
            say(out, &format!("{name} is no user any more"))?;
            if left == 0 {
                let path = users.path().display();
                say(
                    out,
                    &format!("nobody is left who could log in; without {path}, this machine is let in again"),
                )?;
            }
        }
    }
    Ok(())
}

fn open(place: Place) -> Result<Arc<Users>> {
    let mut config = configured(place.config.as_deref(), Vec::new())?;
    config.state = place.state.or(config.state);
    config.users_file = place.users.or(config.users_file);
    let path = config.users_path().ok_or_else(|| {
        Error::new(ErrorKind::Configuration, "it is not said where the file of users lies")
            .with_hint("--state DIR as the server has it, or --users FILE, or --config FILE with users_file in it.")
    })?;
    Users::open(&path)
}

fn add(users: &Users, name: &str, admin: bool, member_of: Vec<String>, piped: bool, out: &mut dyn Write) -> Result<()> {
    let role = |verifier| Role {
        verifier,
        admin,
        member_of: member_of.iter().cloned().collect(),
        ..Role::default()
    };
    let before = users.now();
    if let Some(roles) = &before {
        // Said before anybody thinks of a password.
        Roles::clone(roles).add(name, role(None))?;
    }
    let verifier = Verifier::of(&new_password(name, piped)?)?;
    users.change(|roles| roles.add(name, role(Some(verifier))))?;
    say(out, &format!("{name} may log in"))?;
    if before.is_none() {
        say(out, "from now on everybody needs a password, on this machine too")?;
        say(
            out,
            &format!("all users read everything, until an admin says REVOKE {READ_ALL} FROM {PUBLIC}"),
        )?;
    }
    Ok(())
}

fn list(users: &Users, out: &mut dyn Write) -> Result<()> {
    let Some(roles) = users.now() else {
        return say(out, "there are no users: this machine is let in without passwords");
    };
    for (name, role) in roles.users() {
        let admin = if role.admin { "admin" } else { "" };
        let groups: Vec<&str> = role.member_of.iter().map(String::as_str).collect();
        say(out, format!("{name:<20} {admin:<6} {}", groups.join(", ")).trim_end())?;
    }
    Ok(())
}

/// Refuses names that are not those of users.
fn existing(roles: &Roles, name: &str) -> Result<()> {
    if roles.users().any(|(known, _)| known == name) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::UndefinedObject,
        format!("user \"{name}\" does not exist"),
    ))
}

fn say(out: &mut dyn Write, line: &str) -> Result<()> {
    writeln!(out, "{line}").map_err(Error::from)
}
