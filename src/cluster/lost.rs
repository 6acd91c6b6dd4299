//! Errors that mean: a worker was lost. The query can be run again on the others, as long as no row of it has left.

use std::error::Error as StdError;

use datafusion::common::DataFusionError;
use tonic::{Code, Status};

use crate::{Error, ErrorKind};

/// How the error of a lost worker begins. Between two workers, errors travel as text; these words are found again in it.
pub(super) const LOST: &str = "lost worker";

/// How a worker begins that cannot take what it is asked: it drains, or has as many tasks as it may.
pub(super) const REFUSED: &str = "worker refuses work";

/// What the library says when a plan never arrived at a worker.
const NO_PLAN: &str = "timed-out while waiting for the plan to be set by the coordinator";

/// Whether a worker was lost, or did not want the work.
pub(crate) fn is_lost(error: &DataFusionError) -> bool {
    if [LOST, REFUSED, NO_PLAN]
        .iter()
        .any(|words| error.to_string().contains(words))
    {
        return true;
    }
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(status) = error.downcast_ref::<Status>() {
            return status.code() == Code::Unavailable;
        }
        next = error.source();
    }
    false
}

/// What the user is told once it cannot be mended.
pub(crate) fn lost_worker(error: &DataFusionError, rows_left: bool) -> Error {
    let text = error.to_string();
    let which = text.find(LOST).map(|start| &text[start..]);
    let told = Error::new(
        ErrorKind::WorkerLost,
        match (which, rows_left) {
            (Some(which), true) => format!("{which}; some rows had left already, so the query was not run again"),
            (Some(which), false) => which.to_owned(),
            (None, _) => text.clone(),
        },
    );
    told.with_hint("Run the query again: the workers that are left will do it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_worker_is_known_as_such_wherever_the_error_went() {
        let status = Status::unavailable("lost worker http://a:1/: connection refused");
        let direct = DataFusionError::External(Box::new(status));
        let hopped = DataFusionError::External(direct.to_string().into());
        for error in [direct, hopped] {
            assert!(is_lost(&error), "{error}");
            let told = lost_worker(&error, true);
            assert_eq!(told.sqlstate(), "58000");
            assert!(
                told.message.starts_with("lost worker http://a:1/: connection refused"),
                "{}",
                told.message
            );
        }
    }

    #[test]
    fn other_errors_are_the_querys_own() {
        assert!(!is_lost(&DataFusionError::Execution("Divide by zero".to_owned())));
        assert!(!is_lost(&DataFusionError::External(Box::new(Status::internal(
            "broken"
        )))));
    }
}
