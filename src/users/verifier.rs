//! What a password is verified by, in PostgreSQL's spelling: `SCRAM-SHA-256$4096:SALT$STORED:SERVER`.
//!
//! Whoever reads it cannot log in with it, and has to guess the password at 4096 rounds a guess.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use pgwire::api::auth::sasl::scram::{ScramSecret, gen_salted_password};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// Rounds of hashing, PostgreSQL's number. The same for all: a number of one's own would tell who exists.
const ITERATIONS: u32 = 4096;

/// Bytes of salt.
const SALT_BYTES: usize = 16;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

const METHOD: &str = "SCRAM-SHA-256";

/// A stored verifier.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Verifier {
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Verifier {
    /// Of a password, with a salt of its own.
    ///
    /// # Errors
    /// SQLSTATE 22023: the password is empty.
    pub(crate) fn of(password: &str) -> Result<Self> {
        if password.is_empty() {
            return Err(Error::new(ErrorKind::InvalidParameter, "a password cannot be empty"));
        }
        let salt = rand::random::<[u8; SALT_BYTES]>().to_vec();
        let rounds = ITERATIONS as usize;
        let salted = gen_salted_password(password, &salt, rounds);
        match ScramSecret::verifier_from_salted_password(salt, salted, rounds) {
            ScramSecret::Verifier {
                salt,
                stored_key,
                server_key,
                ..
            } => Ok(Self {
                salt,
                stored_key,
                server_key,
            }),
            ScramSecret::SaltedPassword { .. } => Err(Error::new(ErrorKind::Internal, "no verifier was made")),
        }
    }

    /// For a user who does not exist: always the same for one name, and nobody knows a password that fits.
    pub(crate) fn of_nobody(secret: &[u8], name: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = |what: &str| {
            let tag = hmac::sign(&key, format!("{what}\0{name}").as_bytes());
            tag.as_ref().to_vec()
        };
        let mut salt = derived("salt");
        salt.truncate(SALT_BYTES);
        Self {
            salt,
            stored_key: derived("stored"),
            server_key: derived("server"),
        }
    }

    /// What the exchange works with.
    pub(crate) fn secret(&self) -> ScramSecret {
        ScramSecret::Verifier {
            salt: self.salt.clone(),
            iterations: ITERATIONS as usize,
            stored_key: self.stored_key.clone(),
            server_key: self.server_key.clone(),
        }
    }
}

impl TryFrom<String> for Verifier {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fault = || format!("a verifier is spelt {METHOD}${ITERATIONS}:SALT$STORED:SERVER");
        let parts: Vec<&str> = text.split(['$', ':']).collect();
        let [METHOD, rounds, salt, stored, server] = parts.as_slice() else {
            return Err(fault());
        };
        if *rounds != ITERATIONS.to_string() {
            return Err(fault());
        }
        let bytes = |text: &str, length: usize| {
            BASE64_STANDARD
                .decode(text)
                .ok()
                .filter(|bytes| bytes.len() == length)
                .ok_or_else(fault)
        };
        Ok(Self {
            salt: bytes(salt, SALT_BYTES)?,
            stored_key: bytes(stored, KEY_BYTES)?,
            server_key: bytes(server, KEY_BYTES)?,
        })
    }
}

impl From<Verifier> for String {
    fn from(verifier: Verifier) -> Self {
        let [salt, stored, server] =
            [verifier.salt, verifier.stored_key, verifier.server_key].map(|bytes| BASE64_STANDARD.encode(bytes));
        format!("{METHOD}${ITERATIONS}:{salt}${stored}:{server}")
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_read_as_it_was_written_and_never_shown() {
        let verifier = Verifier::of("Messier 31").unwrap();
        let text = String::from(verifier.clone());
        assert!(text.starts_with("SCRAM-SHA-256$4096:"), "{text}");
        assert_eq!(Verifier::try_from(text.clone()).unwrap(), verifier);
        assert_eq!(format!("{verifier:?}"), "Verifier(***)");
        assert_ne!(
            Verifier::of("Messier 31").unwrap(),
            verifier,
            "each has a salt of its own"
        );
        assert_eq!(Verifier::of("").unwrap_err().sqlstate(), "22023");
        for wrong in [
            "",
            "md5abc",
            &text[1..],
            &text.replace("4096", "1"),
            &text[..text.len() - 4],
        ] {
            assert!(Verifier::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_are_those_of_rfc_7677() {
        // Its example: the password `pencil`, and this salt.
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = gen_salted_password("pencil", &salt, 4096);
        let ScramSecret::Verifier {
            stored_key, server_key, ..
        } = ScramSecret::verifier_from_salted_password(salt, salted, 4096)
        else {
            panic!("no verifier")
        };
        // With these the exchange that it prints comes out, to the letter.
        assert_eq!(
            BASE64_STANDARD.encode(stored_key),
            "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        );
        assert_eq!(
            BASE64_STANDARD.encode(server_key),
            "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }

    #[test]
    fn nobody_has_a_salt_that_stays() {
        let (one, again) = (Verifier::of_nobody(b"x", "eve"), Verifier::of_nobody(b"x", "eve"));
        assert_eq!(one, again);
        assert_ne!(one, Verifier::of_nobody(b"x", "eva"));
        assert_ne!(one, Verifier::of_nobody(b"y", "eve"));
        assert_eq!(one.salt.len(), SALT_BYTES);
    }
}
