//! XML events of bounded size, with their text decoded. What elements mean is not known here.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::BinaryStream;

use crate::elements::shortened;
use crate::{FormatError, Result};

/// Bytes of one tag, or of one text.
const MAX_EVENT_BYTES: usize = 32 << 20;
/// Bytes of the event buffer that are kept for the next event.
const KEPT_BYTES: usize = 1 << 20;
/// Open elements.
const MAX_DEPTH: usize = 64;
/// Attributes of one element that are looked at.
const MAX_ATTRIBUTES: usize = 100;

/// A document, read event by event.
pub(super) struct Document<R> {
    reader: Reader<Limited<R>>,
    buffer: Vec<u8>,
    /// Texts are in Latin-1.
    latin: bool,
    depth: usize,
}

/// What an event is to readers of tables.
#[derive(Debug)]
pub(super) enum Mark<'a> {
    /// An element begins.
    Open(Tag<'a>),
    /// An element without content.
    Empty(Tag<'a>),
    /// The innermost element ends.
    Close,
    /// Some text of an element.
    Text(Cow<'a, str>),
    /// A comment and the like.
    Nothing,
    /// The document ends.
    End,
}

/// A tag that opens.
#[derive(Debug)]
pub(super) struct Tag<'a> {
    start: BytesStart<'a>,
    latin: bool,
    byte: u64,
}

impl Tag<'_> {
    /// Its name without prefix.
    pub(super) fn name(&self) -> &[u8] {
        self.start.local_name().into_inner()
    }

    pub(super) fn has_attributes(&self) -> bool {
        !self.start.attributes_raw().trim_ascii().is_empty()
    }

    /// Bytes of the document up to the end of the tag.
    pub(super) fn byte(&self) -> u64 {
        self.byte
    }

    /// Attributes by their names without prefix.
    pub(super) fn attributes(&self) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        for attribute in self.start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| FormatError::byte(self.byte, error.to_string()))?;
            let key = String::from_utf8_lossy(attribute.key.local_name().into_inner()).into_owned();
            let raw = decoded(&attribute.value, self.latin, self.byte)?;
            let value = quick_xml::escape::unescape(&raw);
            let value = value.map_err(|error| FormatError::byte(self.byte, error.to_string()))?;
            found.push((key, value.into_owned()));
            if found.len() > MAX_ATTRIBUTES {
                return Err(FormatError::byte(
                    self.byte,
                    format!("more than {MAX_ATTRIBUTES} attributes"),
                ));
            }
        }
        Ok(found)
    }
}

impl<R: BufRead> Document<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            reader: Reader::from_reader(Limited { inner: input, left: 0 }),
            buffer: Vec::new(),
            latin: false,
            depth: 0,
        }
    }

    /// Bytes read so far.
    pub(super) fn byte(&self) -> u64 {
        self.reader.buffer_position()
    }

    /// Elements that are open.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The next event.
    pub(super) fn next(&mut self) -> Result<Mark<'_>> {
        self.buffer.clear();
        // One long text must not keep its memory.
        self.buffer.shrink_to(KEPT_BYTES);
        self.reader.get_mut().left = MAX_EVENT_BYTES;
        let event = match self.reader.read_event_into(&mut self.buffer) {
            Ok(event) => event,
            Err(error) => return Err(failure(error, self.reader.error_position())),
        };
        let (byte, latin) = (self.reader.buffer_position(), self.latin);
        Ok(match event {
            Event::Start(start) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(FormatError::byte(
                        byte,
                        format!("elements nested more than {MAX_DEPTH} deep"),
                    ));
                }
                Mark::Open(Tag { start, latin, byte })
            }
            Event::Empty(start) => Mark::Empty(Tag { start, latin, byte }),
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Mark::Close
            }
            Event::Text(text) => Mark::Text(unfolded(decoded_cow(text.into_inner(), latin, byte)?)),
            Event::CData(text) => Mark::Text(unfolded(decoded_cow(text.into_inner(), latin, byte)?)),
            Event::GeneralRef(reference) => Mark::Text(Cow::Owned(resolved(&reference, byte)?)),
            Event::DocType(_) => {
                return Err(FormatError::byte(
                    byte,
                    "document types (DOCTYPE) are refused, since they can name other files: remove the line",
                ));
            }
            Event::Decl(declaration) => {
                self.latin = match declaration.encoding() {
                    Some(Ok(name)) => is_latin(&name, byte)?,
                    _ => false,
                };
                Mark::Nothing
            }
            Event::Comment(_) | Event::PI(_) => Mark::Nothing,
            Event::Eof => Mark::End,
        })
    }

    /// The bytes of the text that comes next, up to the next tag; what is left of them when this returns is skipped
    /// by nobody.
    pub(super) fn raw_text(&mut self) -> RawText<'_, R> {
        self.reader.get_mut().left = usize::MAX;
        RawText(self.reader.stream())
    }
}

/// The text between two tags as bytes: it ends where the next tag begins.
pub(super) struct RawText<'a, R>(BinaryStream<'a, Limited<R>>);

impl<R: BufRead> RawText<'_, R> {
    /// Some of the bytes; none at the end of the text or of the document.
    pub(super) fn some(&mut self) -> io::Result<&[u8]> {
        let bytes = self.0.fill_buf()?;
        // A document in memory gives all of itself.
        let bytes = &bytes[..bytes.len().min(KEPT_BYTES)];
        let length = bytes.iter().position(|byte| *byte == b'<').unwrap_or(bytes.len());
        Ok(&bytes[..length])
    }

    /// So many of them have been used.
    pub(super) fn consume(&mut self, length: usize) {
        self.0.consume(length);
    }
}

/// Reads at most `left` bytes before it fails, so that no event can take all memory.
struct Limited<R> {
    inner: R,
    left: usize,
}

impl<R: BufRead> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let available = self.inner.fill_buf()?;
        if self.left == 0 && !available.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a tag or text of more than {MAX_EVENT_BYTES} bytes"),
            ));
        }
        Ok(&available[..available.len().min(self.left)])
    }

    fn consume(&mut self, length: usize) {
        self.left = self.left.saturating_sub(length);
        self.inner.consume(length);
    }
}

fn failure(error: quick_xml::Error, byte: u64) -> FormatError {
    match error {
        quick_xml::Error::Io(error) if error.kind() != io::ErrorKind::InvalidData => {
            FormatError::Io(io::Error::new(error.kind(), error.to_string()))
        }
        quick_xml::Error::Io(error) => FormatError::byte(byte, error.to_string()),
        error => FormatError::byte(byte, format!("not well-formed XML: {error}")),
    }
}

/// The encodings that can be read are UTF-8 and Latin-1.
fn is_latin(name: &[u8], byte: u64) -> Result<bool> {
    let is = |names: &[&str]| names.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()));
    if is(&["utf-8", "utf8", "us-ascii", "ascii"]) {
        return Ok(false);
    }
    if is(&["iso-8859-1", "latin1", "latin-1", "iso8859-1"]) {
        return Ok(true);
    }
    let name = String::from_utf8_lossy(name);
    Err(FormatError::byte(
        byte,
        format!("the encoding {name:?} is not supported: convert the document to UTF-8"),
    ))
}

fn decoded_cow(bytes: Cow<'_, [u8]>, latin: bool, byte: u64) -> Result<Cow<'_, str>> {
    match bytes {
        Cow::Borrowed(bytes) => decoded(bytes, latin, byte),
        Cow::Owned(bytes) => Ok(Cow::Owned(decoded(&bytes, latin, byte)?.into_owned())),
    }
}

fn decoded(bytes: &[u8], latin: bool, byte: u64) -> Result<Cow<'_, str>> {
    match std::str::from_utf8(bytes) {
        // Latin-1 beyond ASCII may look like UTF-8.
        Ok(text) if !latin || text.is_ascii() => Ok(Cow::Borrowed(text)),
        Err(_) if !latin => Err(FormatError::byte(byte, "the text before is not UTF-8")),
        _ => Ok(Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect())),
    }
}

/// XML has one kind of line break.
fn unfolded(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.contains('\r') {
        true => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        false => text,
    }
}

fn resolved(reference: &BytesRef<'_>, byte: u64) -> Result<String> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Ok(character.to_string());
    }
    let name = String::from_utf8_lossy(reference);
    match quick_xml::escape::resolve_predefined_entity(&name) {
        Some(text) => Ok(text.to_owned()),
        None => Err(FormatError::byte(
            byte,
            format!("the entity {:?} is not defined", shortened(&name)),
        )),
    }
}

impl<R> fmt::Debug for Document<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Document")
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}
