//! The reader of `hats.properties` must survive any text, and what it writes must read back as it was.
//!
//! The parser's own file is compiled in by path: a dependency on its crate would bring the engine, an hour of
//! instrumented build, for a file that needs nothing of it but the error below.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, unreachable_pub, reason = "only part of the file is used here")]
#[path = "../../../extensions/hats/src/properties.rs"]
mod properties;

/// Stands in for the error of the crate that the parser belongs to.
mod error {
    /// What the parser's file knows of its error.
    #[derive(Debug)]
    pub struct HatsError;

    impl HatsError {
        /// A file with a fault.
        pub fn malformed(_file: impl Into<String>, _fault: impl Into<String>) -> Self {
            Self
        }
    }

    /// As in the crate.
    pub type Result<T> = std::result::Result<T, HatsError>;
}

fuzz_target!(|text: &str| {
    let read = properties::Properties::parse(text);
    for (key, _) in read.iter() {
        let _ = (read.get(key), read.list(key), read.number(key, "hats.properties"));
    }
    let again = properties::Properties::parse(&read.render());
    assert_eq!(read, again, "written and read again, the entries are the same");
});
