//! Arrow IPC: a stream of messages, or a file of them, whose footer says where they lie.
//!
//! Messages are foreign. Every length that one claims is held against what the file has left before memory is taken for
//! it, and an end that was not marked as one is a file cut short.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::convert::fb_to_schema;
use datafusion::arrow::ipc::reader::{read_dictionary, read_record_batch};
use datafusion::arrow::ipc::{self, Block, Message, MessageHeader, MetadataVersion, root_as_footer, root_as_message};
use datafusion::arrow::record_batch::RecordBatch;

/// First and last bytes of a file; a stream has none.
const MAGIC: &[u8; 6] = b"ARROW1";

/// No buffer is larger than this once it is unpacked, nor is it this many times as large as it was packed.
const MOST_UNPACKED: i64 = 4 << 30;
const MOST_RATIO: i64 = 1 << 16;

type Result<T> = std::result::Result<T, ArrowError>;

/// Reads the record batches of a file or stream in their order.
pub(crate) struct IpcReader<R> {
    source: R,
    /// Of a stream, what was not read yet; of a file, what stands before the footer.
    left: u64,
    /// Of a file, where the next messages lie.
    blocks: Option<VecDeque<Block>>,
    /// How many of them, from the first, are dictionaries.
    dictionary_blocks: usize,
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: HashMap<i64, ArrayRef>,
    projection: Option<Vec<usize>>,
    ended: bool,
}

/// A message's description and its body.
type Parts = (Vec<u8>, Vec<u8>);

impl<R: Read + Seek> IpcReader<R> {
    /// Reads up to the schema.
    pub(crate) fn open(mut source: R) -> Result<Self> {
        let size = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        let mut magic = [0; 6];
        source.read_exact(&mut magic).map_err(cut_short)?;
        source.rewind()?;
        let mut reader = Self {
            source,
            left: size,
            blocks: None,
            dictionary_blocks: 0,
            schema: Arc::new(Schema::empty()),
            version: MetadataVersion::V5,
            dictionaries: HashMap::new(),
            projection: None,
            ended: false,
        };
        if magic == *MAGIC {
            reader.read_footer(size)?;
        } else {
            reader.read_schema()?;
        }
        Ok(reader)
    }

    /// The columns of the file, whatever the projection.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Gives only these columns, in this order.
    pub(crate) fn with_projection(mut self, columns: Vec<usize>) -> Self {
        self.projection = Some(columns);
        self
    }

    /// Gives only the batches that begin in this part of a file's bytes. What a stream holds is known only from its beginning,
    /// so all of it belongs to the part that begins there.
    pub(crate) fn with_part(mut self, part: &Range<u64>) -> Self {
        match &mut self.blocks {
            Some(blocks) => {
                let mut at = 0;
                blocks.retain(|block| {
                    at += 1;
                    // Dictionaries stand first, and all batches may need them.
                    at <= self.dictionary_blocks || part.contains(&block.offset().unsigned_abs())
                });
            }
            None => self.ended = part.start > 0,
        }
        self
    }

    fn read_footer(&mut self, size: u64) -> Result<()> {
        let length = footer_bytes(&mut self.source, size)?;
        self.left = size - 10 - length;
        self.source.seek(SeekFrom::Start(self.left))?;
        let mut bytes = vec![0; usize::try_from(length).map_err(|error| fault(error.to_string()))?];
        self.source.read_exact(&mut bytes)?;
        let footer =
            root_as_footer(&bytes).map_err(|error| fault(format!("a footer that cannot be understood: {error}")))?;
        let schema = footer.schema().ok_or_else(|| fault("a footer without a schema"))?;
        self.version = footer.version();
        self.schema = Arc::new(fb_to_schema(schema));
        let batches = footer
            .recordBatches()
            .ok_or_else(|| fault("a footer without batches"))?;
        let dictionaries = footer.dictionaries();
        self.dictionary_blocks = dictionaries.map_or(0, |blocks| blocks.len());
        let blocks = dictionaries.into_iter().flatten().chain(batches);
        self.blocks = Some(blocks.copied().collect());
        Ok(())
    }

    fn read_schema(&mut self) -> Result<()> {
        let meta = self.meta()?.ok_or_else(|| fault("there is no schema"))?;
        let message = message(&meta)?;
        let schema = message
            .header_as_schema()
            .ok_or_else(|| fault("it does not begin with a schema"))?;
        self.version = message.version();
        self.schema = Arc::new(fb_to_schema(schema));
        Ok(())
    }

    /// The next message; `None` behind the last.
    fn parts(&mut self) -> Result<Option<Parts>> {
        if let Some(blocks) = &mut self.blocks {
            let next = blocks.pop_front();
            return next.map(|block| self.block(&block)).transpose();
        }
        let Some(meta) = self.meta()? else { return Ok(None) };
        let length = message(&meta)?.bodyLength();
        let body = self.bytes(length)?;
        Ok(Some((meta, body)))
    }

    /// The message of a file that its footer leads to.
    fn block(&mut self, block: &Block) -> Result<Parts> {
        let sizes = [block.offset(), block.metaDataLength().into(), block.bodyLength()];
        let sum = sizes.iter().try_fold(0_i64, |sum, size| sum.checked_add(*size));
        let inside = sum
            .and_then(|sum| u64::try_from(sum).ok())
            .is_some_and(|sum| sum <= self.left);
        if !inside || sizes.iter().any(|size| *size < 0) {
            return Err(fault("its footer leads outside of the file"));
        }
        self.source.seek(SeekFrom::Start(block.offset().unsigned_abs()))?;
        let before = self.left;
        let meta = self.bytes(block.metaDataLength().into())?;
        let body = self.bytes(block.bodyLength())?;
        self.left = before;
        // The length stands before the description, and since 0.15 a mark before the length.
        let skipped = if meta.starts_with(&u32::MAX.to_le_bytes()) {
            8
        } else {
            4
        };
        let meta = meta.get(skipped..).ok_or_else(|| fault("an empty message"))?.to_vec();
        Ok((meta, body))
    }

    /// The description of the next message of a stream; `None` at its marked end.
    fn meta(&mut self) -> Result<Option<Vec<u8>>> {
        let mut length = self.word()?;
        if length == u32::MAX {
            length = self.word()?;
        }
        if length == 0 {
            return Ok(None);
        }
        self.bytes(i64::from(length)).map(Some)
    }

    fn word(&mut self) -> Result<u32> {
        let bytes = self.bytes(4)?;
        let word: [u8; 4] = bytes.try_into().map_err(|_| fault("cut short"))?;
        Ok(u32::from_le_bytes(word))
    }

    fn bytes(&mut self, count: i64) -> Result<Vec<u8>> {
        let size = u64::try_from(count).ok().filter(|size| *size <= self.left);
        let size = size.ok_or_else(|| fault("a message is longer than the file, or the file is cut short"))?;
        let mut bytes = vec![0; usize::try_from(size).map_err(|error| fault(error.to_string()))?];
        self.source.read_exact(&mut bytes)?;
        self.left -= size;
        Ok(bytes)
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        while let Some((meta, body)) = self.parts()? {
            let message = message(&meta)?;
            let body = Buffer::from_vec(body);
            match message.header_type() {
                MessageHeader::DictionaryBatch => {
                    let batch = message
                        .header_as_dictionary_batch()
                        .ok_or_else(|| no_body("dictionary"))?;
                    if let Some(data) = batch.data() {
                        check(&data, &body)?;
                    }
                    read_dictionary(&body, batch, &self.schema, &mut self.dictionaries, &self.version)?;
                }
                MessageHeader::RecordBatch => {
                    let batch = message.header_as_record_batch().ok_or_else(|| no_body("batch"))?;
                    check(&batch, &body)?;
                    let projection = self.projection.as_deref();
                    let schema = Arc::clone(&self.schema);
                    let batch = read_record_batch(&body, batch, schema, &self.dictionaries, projection, &self.version)?;
                    return Ok(Some(batch));
                }
                MessageHeader::NONE => {}
                other => return Err(fault(format!("a message of kind {other:?} among the batches"))),
            }
        }
        Ok(None)
    }
}

impl<R: Read + Seek> Iterator for IpcReader<R> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_batch();
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

/// Bytes of a file's footer.
fn footer_bytes(source: &mut (impl Read + Seek), size: u64) -> Result<u64> {
    let mut tail = [0; 10];
    source.seek(SeekFrom::End(-10)).map_err(cut_short)?;
    source.read_exact(&mut tail).map_err(cut_short)?;
    if !tail.ends_with(MAGIC) {
        return Err(fault("the end of an Arrow file is missing: it is cut short"));
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if length + 10 > size {
        return Err(fault("its footer is said to be longer than the file"));
    }
    Ok(length)
}

fn message(meta: &[u8]) -> Result<Message<'_>> {
    root_as_message(meta).map_err(|error| fault(format!("a message that cannot be understood: {error}")))
}

/// Holds what a batch says of its buffers against its body.
fn check(batch: &ipc::RecordBatch<'_>, body: &Buffer) -> Result<()> {
    if batch.length() < 0 {
        return Err(fault("a batch of less than no rows"));
    }
    let packed = batch.compression().is_some();
    for buffer in batch.buffers().into_iter().flatten() {
        let (start, length) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
        let range = start.ok().zip(length.ok()).and_then(|(start, length)| {
            let end = start.checked_add(length)?;
            body.get(start..end)
        });
        let bytes = range.ok_or_else(|| fault("a buffer lies outside of its message"))?;
        if let Some(Ok(prefix)) = bytes.get(..8).map(<[u8; 8]>::try_from).filter(|_| packed) {
            let unpacked = i64::from_le_bytes(prefix);
            if unpacked > MOST_UNPACKED || unpacked > buffer.length().saturating_mul(MOST_RATIO) {
                return Err(fault(format!("a buffer is said to unpack to {unpacked} bytes")));
            }
        }
    }
    let rows = batch.length();
    if batch.nodes().into_iter().flatten().any(|node| {
        // Children of lists may have more rows than the batch; none has less than none.
        node.length() < 0 || node.null_count() < 0 || node.null_count() > node.length()
    }) || rows > 1 << 40
    {
        return Err(fault("a column has a number of rows that cannot be"));
    }
    Ok(())
}

fn cut_short(_: io::Error) -> ArrowError {
    fault("it is cut short")
}

fn no_body(what: &str) -> ArrowError {
    fault(format!("a {what} without its description"))
}

fn fault(fault: impl Into<String>) -> ArrowError {
    ArrowError::IpcError(fault.into())
}
