//! Reading foreign bytes: what a decoder says of them, and a panic over them, as errors that name the file.
//!
//! Decoders fail with errors that do not know their file, and now and then with a panic. [`guard`] puts itself around the
//! planning and the rows of every file of a scan; [`named`] and [`panicked`] do the same for one call. How an error is
//! made is the caller's: each of the crates that read files has a type of its own.

mod morsels;

use std::any::Any;

use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};

pub use morsels::guard;

/// Makes the error for a file and its fault.
pub type Malformed = fn(file: &str, fault: String) -> DataFusionError;

/// The last step before rows leave a scan.
pub type Finish = fn(RecordBatch) -> Result<RecordBatch>;

/// `error` with the file's name before it, if it is one of decoding or of the store that does not name the file itself.
/// Others say nothing of the file: want of memory, a cancelled query, an expression that fails on a value.
pub fn named(file: &str, error: DataFusionError, malformed: Malformed) -> DataFusionError {
    let of_the_file = match error.find_root() {
        DataFusionError::ParquetError(_) | DataFusionError::ObjectStore(_) => true,
        DataFusionError::ArrowError(error, _) => matches!(
            **error,
            ArrowError::ParquetError(_)
                | ArrowError::IoError(_, _)
                | ArrowError::ExternalError(_)
                | ArrowError::ParseError(_)
                | ArrowError::InvalidArgumentError(_)
        ),
        _ => false,
    };
    let text = error.strip_backtrace();
    if of_the_file && !text.contains(file) {
        malformed(file, text)
    } else {
        error
    }
}

/// The error for a decoder that panicked over `file`.
pub fn panicked(file: &str, panic: &(dyn Any + Send), malformed: Malformed) -> DataFusionError {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    malformed(
        file,
        format!("its decoder gave up: {}", words.unwrap_or("no reason given")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed(file: &str, fault: String) -> DataFusionError {
        DataFusionError::External(format!("{file}: {fault}").into())
    }

    #[test]
    fn faults_of_decoding_get_the_name_of_the_file_once() {
        let decoding = |text: &str| DataFusionError::from(ArrowError::ParseError(text.to_owned()));
        let told = |error| named("a/x.csv", error, malformed).to_string();
        assert!(told(decoding("no number")).contains("a/x.csv: "));
        assert_eq!(told(decoding("a/x.csv is odd")).matches("a/x.csv").count(), 1);
        let memory = DataFusionError::ResourcesExhausted("no room".to_owned());
        assert!(!told(memory).contains("x.csv"));
    }

    #[test]
    fn a_panic_is_told_in_its_words() {
        for panic in [Box::new("boo") as Box<dyn Any + Send>, Box::new("boo".to_owned())] {
            let told = panicked("x.csv", panic.as_ref(), malformed).to_string();
            assert!(told.contains("x.csv: its decoder gave up: boo"), "{told}");
        }
    }
}
