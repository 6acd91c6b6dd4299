//! Log-in: SCRAM-SHA-256 against stored verifiers, bound to the certificate where the line is encrypted.
//!
//! ```text
//!  client-first  ──►  a verifier, the user's or a made-up one  ──►  salt, rounds, nonce
//!  client-final  ──►  binding, nonce, proof                    ──►  our signature, or 28P01
//! ```
//!
//! Who does not exist goes the same way as who does, with a salt that stays the same and keys that nothing fits: neither
//! words nor time tell one from the other. The exchange itself is the protocol crate's; it takes stored keys, and checks
//! binding, nonce and the length of the proof. What it does not check is here: that the mechanism chosen and the first
//! message agree about the binding.

use pgwire::api::auth::sasl::scram::{ScramServerAuth, ScramServerAuthWaitingForClientFinal};
use pgwire::error::PgWireError;
use pgwire::messages::startup::{Authentication, PasswordMessageFamily};
use pgwire::messages::{PgWireBackendMessage as Answer, PgWireFrontendMessage as Message};

use super::report::Failure;
use super::wire::Wire;
use crate::users::Roles;
use crate::{Error, ErrorKind, Result};

const PLAIN: &str = "SCRAM-SHA-256";
const BOUND: &str = "SCRAM-SHA-256-PLUS";

/// Has a client prove that it is `user`. Our own proof is queued, and goes with the welcome.
///
/// # Errors
/// 28P01 for a wrong password as for an unknown user; 08P01 for messages that break the exchange, whoever sends them.
pub(super) async fn prove(
    wire: &mut Wire,
    user: &str,
    roles: &Roles,
    binding: Option<&ScramServerAuth>,
) -> Result<(), Failure> {
    let mechanisms = match binding {
        Some(_) => vec![BOUND.to_owned(), PLAIN.to_owned()],
        None => vec![PLAIN.to_owned()],
    };
    tell(wire, Authentication::SASL(mechanisms)).await?;
    let first = first(&answer(wire).await?)?;
    let server = match binding {
        Some(binding) => {
            check_binding(&first)?;
            binding.clone()
        }
        None if first.mechanism == PLAIN => ScramServerAuth::new(),
        None => return Err(unknown_mechanism().into()),
    };
    let secret = roles.verifier(user).secret();
    let (challenge, waiting) = server
        .on_client_first_message_with_secret(&first.data, secret)
        .map_err(|error| refusal(&error, user))?;
    tell(wire, Authentication::SASLContinue(challenge.into())).await?;
    let proof = answer(wire).await?;
    let signature = verify(&waiting, &proof).map_err(|error| refusal(&error, user))?;
    wire.queue(&Answer::Authentication(Authentication::SASLFinal(signature.into())));
    Ok(())
}

/// The error for a password that is wrong, and for a user who does not exist.
pub(super) fn wrong_password(user: &str) -> Error {
    let message = format!("password authentication failed for user \"{user}\"");
    Error::new(ErrorKind::InvalidPassword, message)
}

fn verify(waiting: &ScramServerAuthWaitingForClientFinal, proof: &[u8]) -> Result<String, PgWireError> {
    waiting.on_client_final_message(proof)
}

/// What is wrong, in words that depend on what was sent and not on who exists.
fn refusal(error: &PgWireError, user: &str) -> Error {
    match error {
        PgWireError::InvalidPassword(_) => wrong_password(user),
        _ => Error::new(ErrorKind::ProtocolViolation, "malformed or mismatched SCRAM message"),
    }
}

async fn tell(wire: &mut Wire, message: Authentication) -> Result<(), Failure> {
    wire.queue(&Answer::Authentication(message));
    wire.flush().await
}

/// The body of the client's next message, which must be one of log-in.
async fn answer(wire: &mut Wire) -> Result<Vec<u8>, Failure> {
    match wire.read().await? {
        Some(Message::PasswordMessageFamily(PasswordMessageFamily::Raw(body))) => Ok(body.to_vec()),
        // Who was asked for a password and has none leaves, and comes again with one.
        Some(Message::Terminate(_)) | None => Err(Failure::Gone),
        Some(_) => Err(Error::new(ErrorKind::ProtocolViolation, "expected SASL response").into()),
    }
}

/// The first message: the mechanism's name, and what begins the exchange.
struct First {
    mechanism: String,
    data: Vec<u8>,
}

fn first(body: &[u8]) -> Result<First> {
    let fault = || Error::new(ErrorKind::ProtocolViolation, "malformed SASL response");
    let end = body.iter().position(|byte| *byte == 0).ok_or_else(fault)?;
    let (name, rest) = (&body[..end], &body[end + 1..]);
    let (length, data) = rest.split_first_chunk::<4>().ok_or_else(fault)?;
    if usize::try_from(u32::from_be_bytes(*length)) != Ok(data.len()) {
        return Err(fault());
    }
    Ok(First {
        mechanism: String::from_utf8_lossy(name).into_owned(),
        data: data.to_vec(),
    })
}

fn unknown_mechanism() -> Error {
    let message = "client selected an invalid SASL authentication mechanism";
    Error::new(ErrorKind::ProtocolViolation, message)
}

/// Whoever chose the bound mechanism must bind, and whoever did not must not: anything else was changed on the way.
fn check_binding(first: &First) -> Result<()> {
    let binds = first.data.starts_with(b"p=");
    match (first.mechanism.as_str(), binds) {
        (BOUND, true) | (PLAIN, false) => Ok(()),
        (BOUND, false) => Err(Error::new(ErrorKind::ProtocolViolation, "malformed SCRAM message")
            .with_detail("The client selected SCRAM-SHA-256-PLUS, but the message has no channel binding data.")),
        (PLAIN, true) => Err(
            Error::new(ErrorKind::ProtocolViolation, "malformed SCRAM message").with_detail(
                "The client selected SCRAM-SHA-256 without channel binding, but the message has channel binding data.",
            ),
        ),
        _ => Err(unknown_mechanism()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(mechanism: &str, data: &str) -> First {
        First {
            mechanism: mechanism.to_owned(),
            data: data.into(),
        }
    }

    #[test]
    fn mechanism_and_message_agree_about_the_binding() {
        assert!(check_binding(&sent(BOUND, "p=tls-server-end-point,,n=,r=x")).is_ok());
        assert!(check_binding(&sent(PLAIN, "n,,n=,r=x")).is_ok());
        for (mechanism, data) in [
            (BOUND, "n,,n=,r=x"),
            (BOUND, "y,,n=,r=x"),
            (PLAIN, "p=tls-unique,,n=,r=x"),
            ("PLAIN", "n,,"),
        ] {
            assert_eq!(
                check_binding(&sent(mechanism, data)).unwrap_err().sqlstate(),
                "08P01",
                "{mechanism} {data}"
            );
        }
    }

    #[test]
    fn what_lies_about_its_length_is_refused() {
        let good = first(b"SCRAM-SHA-256\0\0\0\0\x03n,,").unwrap();
        assert_eq!(
            (good.mechanism.as_str(), good.data.as_slice()),
            (PLAIN, b"n,,".as_slice())
        );
        for bad in [
            &b""[..],
            b"SCRAM",
            b"SCRAM\0",
            b"S\0\0\0\0\x04n,,",
            b"S\0\xff\xff\xff\xff",
            b"S\0\0\0\0\x01n,,",
        ] {
            assert_eq!(first(bad).map(|_| ()).unwrap_err().sqlstate(), "08P01", "{bad:?}");
        }
    }
}
