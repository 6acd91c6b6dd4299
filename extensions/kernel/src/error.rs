//! What can go wrong in a call: [`Fault`] inside a kernel, [`FunctionError`] outside.
//!
//! A kernel only knows which argument is at fault and why. The call decides what becomes of it: NULL if it was the
//! value of a row, an error naming the function and the argument if it was a constant.

use datafusion::error::DataFusionError;
use thiserror::Error;

/// Why a kernel has no value for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub(crate) argument: Option<usize>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) reading: Reading,
}

/// How the message of a fault is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// On from the names of the function and the argument.
    Predicate,
    /// By itself.
    Sentence,
    /// Never: there is simply no value.
    Silent,
}

impl Fault {
    /// The argument at `argument` (from 0) is unfit; `message` reads on from "FUNCTION argument ".
    #[must_use]
    pub fn argument(argument: usize, message: impl Into<String>) -> Self {
        Self {
            argument: Some(argument),
            message: message.into(),
            hint: None,
            reading: Reading::Predicate,
        }
    }

    /// The arguments are unfit together; `message` reads on from "FUNCTION ".
    #[must_use]
    pub fn call(message: impl Into<String>) -> Self {
        Self {
            argument: None,
            message: message.into(),
            hint: None,
            reading: Reading::Predicate,
        }
    }

    /// Something is wrong that `message` says by itself, in the argument at `argument` or in several together.
    #[must_use]
    pub fn sentence(argument: Option<usize>, message: impl Into<String>) -> Self {
        Self {
            argument,
            message: message.into(),
            hint: None,
            reading: Reading::Sentence,
        }
    }

    /// There is no value, which is no mistake: NULL, for constants too.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            argument: None,
            message: String::new(),
            hint: None,
            reading: Reading::Silent,
        }
    }

    /// Says what to do instead.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// An error of a call, found inside [`DataFusionError::External`] by `find_root` and a downcast.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// A constant argument has no meaning.
    #[error("{message}")]
    Argument {
        /// The name of the function as registered.
        function: String,
        /// Which argument, from 0; `None` if several are at fault together.
        argument: Option<usize>,
        /// What is wrong, whole sentence: function, argument, limits, value.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// No form of the function takes these types.
    #[error("{message}")]
    Signature {
        /// The name of the function as registered.
        function: String,
        /// The first argument that no form takes, from 0, when the number of arguments is right.
        argument: Option<usize>,
        /// What was given.
        message: String,
        /// The forms there are.
        hint: Option<String>,
    },
    /// The table promised something that its kernel did not keep.
    #[error("{function}: {message}")]
    Broken {
        /// The name of the function as registered.
        function: String,
        /// What was not kept.
        message: String,
    },
}

impl FunctionError {
    /// A call that a planner cannot make sense of: `message` is the whole sentence.
    #[must_use]
    pub fn misused(function: &str, message: &str, hint: &str) -> Self {
        Self::Argument {
            function: function.to_owned(),
            argument: None,
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        }
    }

    /// The name of the function as registered.
    #[must_use]
    pub fn function(&self) -> &str {
        match self {
            Self::Argument { function, .. } | Self::Signature { function, .. } | Self::Broken { function, .. } => {
                function
            }
        }
    }

    /// The argument at fault, from 0.
    #[must_use]
    pub fn argument(&self) -> Option<usize> {
        match self {
            Self::Argument { argument, .. } | Self::Signature { argument, .. } => *argument,
            Self::Broken { .. } => None,
        }
    }

    /// What to do instead.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Argument { hint, .. } | Self::Signature { hint, .. } => hint.as_deref(),
            Self::Broken { .. } => None,
        }
    }

    /// The error of a call somewhere under `error`, through contexts and shared wrappers.
    ///
    /// ```
    /// use datafusion::error::DataFusionError;
    /// use dreyer_kernel::FunctionError;
    ///
    /// let inner = FunctionError::Broken { function: "f".into(), message: "no".into() };
    /// let outer = DataFusionError::from(inner.clone()).context("planning");
    /// assert_eq!(FunctionError::find(&outer), Some(&inner));
    /// ```
    #[must_use]
    pub fn find(error: &DataFusionError) -> Option<&Self> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            next = match error.downcast_ref::<DataFusionError>() {
                Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
                Some(DataFusionError::Context(_, inner)) => Some(inner.as_ref()),
                Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
                Some(DataFusionError::Diagnostic(_, inner)) => Some(inner.as_ref()),
                _ => error.source(),
            };
        }
        None
    }
}

impl From<FunctionError> for DataFusionError {
    fn from(error: FunctionError) -> Self {
        Self::External(Box::new(error))
    }
}
