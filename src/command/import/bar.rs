//! A line on the terminal that says how far an import is, at what rate, and how long it will still take.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use dreyer_sky::hats::import::{Progress, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is known of the input before it is read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expected {
    /// Bytes of all files.
    pub(super) bytes: u64,
    /// Rows of all files, told by their headers or estimated from their first lines.
    pub(super) rows: Option<u64>,
}

/// The line. Hidden where the standard error is no terminal.
pub(super) struct Bar {
    bar: ProgressBar,
    expected: Expected,
    /// Bytes that a row stands for, while reading.
    scale: Mutex<Scale>,
}

#[derive(Default)]
struct Scale {
    /// What one step of progress moves the line by.
    step: f64,
    moved: f64,
}

const KNOWN_BYTES: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
const UNKNOWN: &str = "{msg} {human_pos} rows {per_sec} {elapsed}";
const KNOWN: &str = "{msg} {wide_bar} {human_pos}/{human_len} {per_sec}, {eta} left";

impl Bar {
    pub(super) fn new(expected: Expected) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Self {
            bar,
            expected,
            scale: Mutex::default(),
        }
    }

    /// Takes the line away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn begin(&self, words: &'static str, template: &str, length: Option<u64>, step: f64) {
        *self.scale.lock().unwrap_or_else(PoisonError::into_inner) = Scale { step, moved: 0.0 };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.reset();
        self.bar.set_message(words);
        match length {
            Some(length) => self.bar.set_length(length),
            None => self.bar.unset_length(),
        }
    }
}

impl Progress for Bar {
    fn stage(&self, stage: Stage, total: Option<u64>) {
        match (stage, self.expected.rows) {
            (Stage::Read, Some(rows)) => {
                let bytes = self.expected.bytes;
                let step = bytes as f64 / rows.max(1) as f64;
                self.begin("reading", KNOWN_BYTES, Some(bytes), step);
            }
            (Stage::Read, None) => self.begin("reading", UNKNOWN, None, 1.0),
            (Stage::Write, _) => self.begin("writing rows", KNOWN, total, 1.0),
            _ => self.begin("finishing", KNOWN, total, 1.0),
        }
    }

    fn advance(&self, by: u64) {
        let mut scale = self.scale.lock().unwrap_or_else(PoisonError::into_inner);
        scale.moved += by as f64 * scale.step;
        #[expect(clippy::cast_possible_truncation, reason = "a position on the line, not a count")]
        let to = scale.moved as u64;
        // An estimate may fall short: the line waits at its end.
        self.bar.set_position(to.min(self.bar.length().unwrap_or(u64::MAX)));
    }
}
