//! The one error that leaves this package: what, where, and what to do next.
//!
//! `translate` turns the engine's errors into it; [`ErrorKind`] is the table from which the front doors take their
//! codes. Nothing else in the project knows an SQLSTATE.
//!
//! ```text
//! ERROR:  column "phot_g_mag" does not exist
//! LINE 1: SELECT phot_g_mag FROM gaia_bright
//!                ^~~~~~~~~~
//! HINT:  Did you mean "phot_g_mean_mag"?
//! ```

mod extension;
mod kind;
mod nearest;
mod place;
mod render;
mod store;
mod translate;

pub use kind::ErrorKind;
pub(crate) use nearest::nearest;
pub(crate) use place::Place;

/// What went wrong, where in the text, and what to do next.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Error {
    /// The class of the fault: decides the SQLSTATE.
    pub kind: ErrorKind,
    /// One sentence without a full stop.
    pub message: String,
    /// Where the fault begins in the text that was given: characters, from 1.
    pub position: Option<usize>,
    /// How many characters of the text are at fault, where that is known.
    pub width: Option<usize>,
    /// More of the circumstances, for those who want them.
    pub detail: Option<String>,
    /// What to type or set instead.
    pub hint: Option<String>,
    /// What few errors have.
    rest: Option<Box<Rest>>,
}

/// The rest of an error, apart so that all others stay small.
#[derive(Debug, Clone, Default, PartialEq)]
struct Rest {
    /// Where the fault lies as far as the engine could tell; becomes `position` once the text is at hand.
    place: Option<Place>,
    /// Where in what was read it happened.
    context: Option<String>,
}

impl Error {
    /// An error that is not tied to a place in the text.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind,
            message,
            position: None,
            width: None,
            detail: None,
            hint: None,
            rest: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same with a context: the line and column of a copy, say.
    #[must_use]
    pub fn with_context(mut self, context: impl Into<String>) -> Self {
        self.rest.get_or_insert_default().context = Some(context.into());
        self
    }

    /// Where in what was read it happened, if that is known.
    pub fn context(&self) -> Option<&str> {
        self.rest.as_ref()?.context.as_deref()
    }

    /// The same, to be found at `place` once [`Error::located`] sees the text.
    #[must_use]
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.rest.get_or_insert_default().place = Some(place);
        self
    }

    /// The error for a statement that the user stopped.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "canceling statement due to user request")
    }

    /// The five characters that PostgreSQL clients know this fault by.
    pub fn sqlstate(&self) -> &'static str {
        self.kind.sqlstate()
    }

    /// The same with its position in `text`, which begins `offset` characters into what the user gave.
    #[must_use]
    pub(crate) fn located(mut self, text: &str, offset: usize) -> Self {
        let place = self.rest.as_mut().and_then(|rest| rest.place.take());
        if self.rest.as_deref() == Some(&Rest::default()) {
            self.rest = None;
        }
        if let Some((position, width)) = place.and_then(|place| place.find(text)) {
            self.position = Some(position + offset);
            self.width = width;
        }
        self
    }

    /// The error as a terminal shows it: message, the line with a caret under the fault, detail, hint. `sql` is the
    /// whole text that was given.
    pub fn render(&self, sql: &str) -> String {
        render::render(self, sql)
    }
}
