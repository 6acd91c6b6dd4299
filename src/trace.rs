//! Spans: what each process did for a statement, and when, under one number across processes. Off unless `trace.file` is
//! set.
//!
//! ```text
//!  statement ──► query ──► traceparent (W3C Trace Context), a header beside each plan ──► worker: task
//!      │           │                                                                        │
//!      └───────────┴── a line of OTLP/JSON each, when it ends, in the process's own file ───┘
//! ```
//!
//! A collector of OpenTelemetry reads such files as they are. No text of a statement is in them.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::{Error, ErrorKind, Result};

/// The header that a trace travels in.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What OpenTelemetry calls a span of its own process, and one that does what another asked for.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;

/// Where spans are written.
pub(crate) struct Tracer {
    file: Mutex<File>,
    resource: Value,
}

impl Tracer {
    /// Appends to a file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn to(file: &Path) -> Result<Arc<Self>> {
        let opened = OpenOptions::new().create(true).append(true).open(file);
        let opened = opened.map_err(|error| {
            let message = format!("trace.file: cannot write {}: {error}", file.display());
            Error::new(ErrorKind::Configuration, message)
        })?;
        let resource = json!({ "attributes": [
            attribute("service.name", "dreyer"),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
            attribute("process.pid", u64::from(std::process::id())),
        ]});
        Ok(Arc::new(Self {
            file: Mutex::new(opened),
            resource,
        }))
    }

    /// A span that begins now, of its own trace.
    pub(crate) fn begin(self: &Arc<Self>, name: &'static str) -> Span {
        self.span(name, rand::random(), None, INTERNAL)
    }

    /// A span of work that another process asked for.
    pub(crate) fn continued(self: &Arc<Self>, name: &'static str, parent: Parent) -> Span {
        self.span(name, parent.trace, Some(parent.span), SERVER)
    }

    fn span(self: &Arc<Self>, name: &'static str, trace: u128, parent: Option<u64>, kind: u8) -> Span {
        Span {
            tracer: Arc::clone(self),
            name,
            kind,
            own: Parent {
                trace,
                span: rand::random(),
            },
            parent,
            began: SystemTime::now(),
            started: Instant::now(),
            attributes: Mutex::default(),
            within: None,
        }
    }

    fn write(&self, span: &Value) {
        let line = json!({ "resourceSpans": [{
            "resource": self.resource,
            "scopeSpans": [{ "scope": { "name": "dreyer" }, "spans": [span] }],
        }]});
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // In one call: lines of several processes in one file stay whole.
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            tracing::warn!(%error, "a span was not written");
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").finish_non_exhaustive()
    }
}

/// What work elsewhere is told of the span that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    trace: u128,
    span: u64,
}

impl Parent {
    /// As a header.
    pub(crate) fn header(self) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("00-{:032x}-{:016x}-01", self.trace, self.span)).ok()
    }

    /// From a header; `None` if it is none of the version that is known, or names nothing.
    pub(crate) fn read(header: &HeaderValue) -> Option<Self> {
        let parts: Vec<&str> = header.to_str().ok()?.split('-').collect();
        let ["00", trace, span, _] = parts[..] else { return None };
        let hex = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex(trace, 32) || !hex(span, 16) {
            return None;
        }
        let (trace, span) = (
            u128::from_str_radix(trace, 16).ok()?,
            u64::from_str_radix(span, 16).ok()?,
        );
        (trace != 0 && span != 0).then_some(Self { trace, span })
    }
}

/// Something that is being done. It ends, and is written, when it is dropped.
pub(crate) struct Span {
    tracer: Arc<Tracer>,
    name: &'static str,
    kind: u8,
    own: Parent,
    parent: Option<u64>,
    began: SystemTime,
    started: Instant,
    attributes: Mutex<Vec<Value>>,
    /// The span that this one is a part of, which must not end before.
    within: Option<Arc<Span>>,
}

impl Span {
    /// A part of this one, in the same process.
    pub(crate) fn part(self: &Arc<Self>, name: &'static str) -> Self {
        let mut span = self.tracer.span(name, self.own.trace, Some(self.own.span), INTERNAL);
        span.within = Some(Arc::clone(self));
        span
    }

    /// What work elsewhere is to be told.
    pub(crate) fn parent(&self) -> Parent {
        self.own
    }

    /// Notes a fact.
    pub(crate) fn note(&self, key: &str, value: impl Into<Fact>) {
        let mut attributes = self.attributes.lock().unwrap_or_else(PoisonError::into_inner);
        attributes.push(attribute(key, value));
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let nanos = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        // The clock may have been set meanwhile.
        let ended = self.began + self.started.elapsed();
        let mut span = json!({
            "traceId": format!("{:032x}", self.own.trace),
            "spanId": format!("{:016x}", self.own.span),
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": nanos(self.began).to_string(),
            "endTimeUnixNano": nanos(ended).to_string(),
            "attributes": *self.attributes.lock().unwrap_or_else(PoisonError::into_inner),
        });
        if let Some(parent) = self.parent {
            span["parentSpanId"] = Value::String(format!("{parent:016x}"));
        }
        self.tracer.write(&span);
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("name", &self.name)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

/// The value of an attribute.
pub(crate) enum Fact {
    Text(String),
    Number(u64),
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Fact {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

fn attribute(key: &str, value: impl Into<Fact>) -> Value {
    let value = match value.into() {
        Fact::Text(text) => json!({ "stringValue": text }),
        // 64-bit numbers are text in OTLP/JSON.
        Fact::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": key, "value": value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_as_it_is_written_and_nothing_else_is() {
        let parent = Parent { trace: 7, span: 9 };
        assert_eq!(Parent::read(&parent.header().unwrap()), Some(parent));
        for wrong in [
            "",
            "00-7-9-01",
            "01-00000000000000000000000000000007-0000000000000009-01",
            "00-00000000000000000000000000000000-0000000000000009-01",
            "00-+0000000000000000000000000000007-0000000000000009-01",
        ] {
            assert_eq!(Parent::read(&HeaderValue::from_static(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn spans_are_lines_under_one_number_and_the_whole_ends_last() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spans.jsonl");
        let tracer = Tracer::to(&file).unwrap();
        let whole = Arc::new(tracer.begin("statement"));
        let part = whole.part("query");
        part.note("rows", 5_u64);
        let elsewhere = tracer.continued("task", part.parent());
        drop(whole);
        drop(elsewhere);
        drop(part);
        let text = std::fs::read_to_string(&file).unwrap();
        let spans: Vec<Value> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["resourceSpans"][0]["scopeSpans"][0]["spans"][0].clone()
            })
            .collect();
        let names: Vec<&str> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["task", "query", "statement"]);
        assert!(spans.iter().all(|span| span["traceId"] == spans[0]["traceId"]));
        assert_eq!(spans[0]["parentSpanId"], spans[1]["spanId"]);
        assert_eq!(spans[1]["parentSpanId"], spans[2]["spanId"]);
        assert_eq!(spans[1]["attributes"][0]["value"]["intValue"], "5");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_at_once() {
        let error = Tracer::to(Path::new("/nowhere/spans.jsonl")).unwrap_err();
        assert!(error.message.contains("trace.file"), "{}", error.message);
    }
}
