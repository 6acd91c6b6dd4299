//! The errors of the extensions: each brings its own words and hint; here they get their class and place.

use std::error::Error as StdError;

use dreyer_adql::ErrorKind as AdqlKind;
use dreyer_sky::files::FilesError;
use dreyer_sky::hats::HatsError;
use dreyer_sky::kernel::FunctionError;

use super::{Error, ErrorKind, Place};

/// The error of an extension, or `None` if it is nobody's that we know.
pub(super) fn translate(error: &(dyn StdError + 'static)) -> Option<Error> {
    if let Some(error) = error.downcast_ref::<FunctionError>() {
        return Some(function(error));
    }
    if let Some(error) = error.downcast_ref::<HatsError>() {
        return Some(hats(error));
    }
    if let Some(error) = error.downcast_ref::<FilesError>() {
        return Some(files(error));
    }
    error.downcast_ref::<dreyer_adql::Error>().map(adql)
}

fn function(error: &FunctionError) -> Error {
    let kind = match error {
        FunctionError::Argument { .. } => ErrorKind::InvalidParameter,
        FunctionError::Signature { .. } => ErrorKind::UndefinedFunction,
        _ => ErrorKind::Internal,
    };
    let place = Place::Call {
        function: error.function().to_owned(),
        argument: error.argument(),
    };
    Error {
        hint: error.hint().map(sentence),
        ..Error::new(kind, error.to_string()).at(place)
    }
}

fn files(error: &FilesError) -> Error {
    match error {
        FilesError::Engine(inner) => super::translate::by_reference(inner),
        FilesError::Store(inner) => super::store::translate(inner),
        FilesError::Unknown { .. } | FilesError::Option { .. } => {
            Error::new(ErrorKind::InvalidParameter, error.to_string())
        }
        _ => Error::new(ErrorKind::Io, error.to_string()),
    }
}

fn hats(error: &HatsError) -> Error {
    match error {
        HatsError::Engine(inner) => super::translate::by_reference(inner),
        HatsError::Store(inner) => super::store::translate(inner),
        HatsError::Exists { .. } => Error::new(ErrorKind::DuplicateTable, error.to_string()),
        HatsError::Conflict { .. } => {
            Error::new(ErrorKind::Conflict, error.to_string()).with_hint("Run the statement again.")
        }
        HatsError::Input { .. } | HatsError::Option { .. } => {
            Error::new(ErrorKind::InvalidParameter, error.to_string())
        }
        _ => Error::new(ErrorKind::Io, error.to_string()),
    }
}

fn adql(error: &dreyer_adql::Error) -> Error {
    let kind = match error.kind {
        AdqlKind::TooComplex => ErrorKind::LimitExceeded,
        AdqlKind::Unsupported => ErrorKind::NotSupported,
        AdqlKind::InvalidValue => ErrorKind::InvalidParameter,
        AdqlKind::AmbiguousName => ErrorKind::AmbiguousColumn,
        _ => ErrorKind::Syntax,
    };
    let told = Error {
        hint: error.hint.as_deref().map(sentence),
        ..Error::new(kind, error.message.clone())
    };
    match error.span {
        Some(span) => told.at(Place::Span(span)),
        None => told,
    }
}

/// A hint as a whole sentence: the extensions write half sentences, which fit into others.
fn sentence(hint: &str) -> String {
    let mut letters = hint.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let stop = if hint.ends_with(['.', '?', '!']) { "" } else { "." };
    first.chain(letters).chain(stop.chars()).collect()
}

impl From<dreyer_adql::Error> for Error {
    fn from(error: dreyer_adql::Error) -> Self {
        adql(&error)
    }
}

impl From<HatsError> for Error {
    fn from(error: HatsError) -> Self {
        hats(&error)
    }
}

impl From<FilesError> for Error {
    fn from(error: FilesError) -> Self {
        files(&error)
    }
}
