//! Leaves: sorted rows cut into one Parquet file per tile and one row group per planned part of it.
//!
//! The sort runs on the engine's threads and the encoding on one of its own, a few batches between them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use dreyer_sphere::Cell;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::buffered::BufWriter;
use object_store::{ObjectMeta, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::sorting::Sorted;
use super::tile::PlannedTile;
use super::{ImportOptions, Place, Progress, encoding};
use crate::error::{HatsError, Result};
use crate::layout;
use crate::prune::signed;

/// A leaf that has been written.
#[derive(Debug, Clone)]
pub struct LeafFile {
    /// Its tile.
    pub cell: Cell,
    /// Rows in it.
    pub rows: u64,
    /// Where it is stored, its size and its version.
    pub meta: ObjectMeta,
    /// Row groups in it.
    pub row_groups: usize,
    pub(crate) footer: Arc<ParquetMetaData>,
}

/// Requests in flight when the store is asked for the versions of the leaves.
const CONCURRENT_HEADS: usize = 32;

/// Writes `first` and what `sorted` still gives to the planned leaves.
pub(crate) async fn write(
    first: Option<RecordBatch>,
    sorted: &mut Sorted,
    plan: Vec<PlannedTile>,
    schema: &SchemaRef,
    place: &Place,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Vec<LeafFile>> {
    let (sender, receiver) = mpsc::channel(4);
    let writer = LeafWriter::new(place, schema, plan, options)?;
    let writing = tokio::task::spawn_blocking(move || writer.run(receiver));
    let sent = send(first, sorted, sender, progress).await;
    let written = writing.await.map_err(io::Error::other);
    let written = written.map_err(|error| HatsError::io(place.describe(), error))?;
    sent?;
    let head = async |leaf: Encoded| {
        let meta = place.store.head(&place.object(&leaf.relative)).await?;
        Ok::<_, HatsError>(LeafFile {
            cell: leaf.cell,
            rows: leaf.rows,
            meta,
            row_groups: leaf.footer.num_row_groups(),
            footer: leaf.footer,
        })
    };
    stream::iter(written?)
        .map(head)
        .buffered(CONCURRENT_HEADS)
        .try_collect()
        .await
}

/// What goes to the writer: rows, and in the end a word that they were all.
enum Message {
    Rows(RecordBatch),
    End,
}

async fn send(
    first: Option<RecordBatch>,
    sorted: &mut Sorted,
    sender: mpsc::Sender<Message>,
    progress: &dyn Progress,
) -> Result<()> {
    let mut next = first;
    while let Some(batch) = next {
        let rows = batch.num_rows() as u64;
        // A closed channel means that the writer failed: its own error is the one to tell.
        if sender.send(Message::Rows(batch)).await.is_err() {
            return Ok(());
        }
        progress.advance(rows);
        next = sorted.rows.next().await.transpose()?;
    }
    let _ = sender.send(Message::End).await;
    Ok(())
}

struct Encoded {
    cell: Cell,
    relative: String,
    rows: u64,
    footer: Arc<ParquetMetaData>,
}

/// Writes sorted rows to the planned leaves. One leaf is open at a time.
struct LeafWriter {
    place: Place,
    runtime: Handle,
    schema: SchemaRef,
    usual: WriterProperties,
    /// Those of the next leaf.
    properties: WriterProperties,
    suffix: &'static str,
    /// Tiles still to be written, the next one last.
    plan: Vec<PlannedTile>,
    open: Option<OpenLeaf>,
    leaves: Vec<Encoded>,
}

struct OpenLeaf {
    tile: PlannedTile,
    relative: String,
    writer: ArrowWriter<Sink>,
    row_groups: usize,
}

impl LeafWriter {
    fn new(place: &Place, schema: &SchemaRef, mut plan: Vec<PlannedTile>, options: &ImportOptions) -> Result<Self> {
        plan.reverse();
        let usual = encoding::properties(schema, options)?;
        Ok(Self {
            place: place.clone(),
            runtime: Handle::current(),
            schema: Arc::clone(schema),
            properties: usual.clone(),
            usual,
            suffix: layout::suffix(options.leaf_folders),
            plan,
            open: None,
            leaves: Vec::new(),
        })
    }

    fn run(mut self, mut messages: mpsc::Receiver<Message>) -> Result<Vec<Encoded>> {
        loop {
            match messages.blocking_recv() {
                Some(Message::Rows(batch)) => self.write(&batch)?,
                Some(Message::End) => {
                    self.close()?;
                    return Ok(self.leaves);
                }
                // The sort failed or nobody waits any more: whatever is half written stays without an end.
                None => {
                    if let Some(mut leaf) = self.open.take() {
                        leaf.writer.inner_mut().abandon();
                    }
                    return Ok(Vec::new());
                }
            }
        }
    }

    /// Takes the next rows, the index in the first column.
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let indexes = batch.column(0).as_primitive::<Int64Type>().values();
        let mut at = 0;
        while let Some(index) = indexes.get(at) {
            let leaf = self.leaf_for(*index, batch, at)?;
            let end = leaf.row_group_end();
            let rows = indexes[at..].partition_point(|index| *index < end);
            leaf.writer.write(&batch.slice(at, rows))?;
            at += rows;
        }
        Ok(())
    }

    /// The leaf and row group that `index`, in the row `at` of `batch`, belongs to, open for writing.
    fn leaf_for(&mut self, index: i64, batch: &RecordBatch, at: usize) -> Result<&mut OpenLeaf> {
        let beyond = |tile: &PlannedTile| index >= signed(tile.cell.range().end);
        if self.open.as_ref().is_some_and(|leaf| beyond(&leaf.tile)) {
            self.close()?;
        }
        let mut leaf = match self.open.take() {
            Some(leaf) => leaf,
            None => {
                // A tile planned where rows crowd may turn out to hold none.
                while self.plan.last().is_some_and(beyond) {
                    self.plan.pop();
                }
                self.open_next(index, &batch.slice(at, batch.num_rows() - at))?
            }
        };
        if index >= leaf.row_group_end() {
            leaf.writer.flush()?;
            leaf.row_groups = leaf.tile.row_group_ends.partition_point(|end| signed(*end) <= index);
        }
        Ok(self.open.insert(leaf))
    }

    fn open_next(&mut self, index: i64, rows: &RecordBatch) -> Result<OpenLeaf> {
        let holds = |tile: &PlannedTile| signed(tile.cell.range().start) <= index;
        let Some(tile) = self.plan.pop().filter(holds) else {
            let fault = format!("a row with index {index} was not there when rows were counted; report this");
            return Err(HatsError::Input {
                input: "the sorted rows".to_owned(),
                fault,
            });
        };
        let relative = format!("{}/{}", layout::DATASET_DIR, layout::leaf_file(tile.cell, self.suffix));
        let sink = Sink::create(&self.place, &relative, &self.runtime)?;
        if let Some(judged) = encoding::judged(&self.usual, rows)? {
            self.properties = judged;
        }
        let writer = ArrowWriter::try_new(sink, Arc::clone(&self.schema), Some(self.properties.clone()))?;
        Ok(OpenLeaf {
            tile,
            relative,
            writer,
            row_groups: 0,
        })
    }

    fn close(&mut self) -> Result<()> {
        let Some(mut leaf) = self.open.take() else {
            return Ok(());
        };
        let footer = leaf.writer.finish()?;
        leaf.writer.inner_mut().finish()?;
        self.leaves.push(Encoded {
            cell: leaf.tile.cell,
            relative: leaf.relative,
            // What the file says, not what was sent to it.
            rows: u64::try_from(footer.file_metadata().num_rows()).unwrap_or(0),
            footer: Arc::new(footer),
        });
        Ok(())
    }
}

impl OpenLeaf {
    /// One past the last index of the current row group.
    fn row_group_end(&self) -> i64 {
        let end = self.tile.row_group_ends.get(self.row_groups).copied();
        signed(end.unwrap_or(self.tile.cell.range().end))
    }
}

/// Where the bytes of a leaf go, written from a thread that may block.
enum Sink {
    Local(PathBuf, File),
    Remote(Handle, Box<BufWriter>),
}

impl Sink {
    fn create(place: &Place, relative: &str, runtime: &Handle) -> Result<Self> {
        let Some(folder) = &place.local else {
            let writer = BufWriter::new(Arc::clone(&place.store), place.object(relative)).with_max_concurrency(4);
            return Ok(Self::Remote(runtime.clone(), Box::new(writer)));
        };
        let path = folder.join(relative);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| HatsError::io(folder, error))?;
        }
        let file = File::create_new(&path).map_err(|error| HatsError::io(&path, error))?;
        Ok(Self::Local(path, file))
    }

    /// Gives up: parts that were sent to a store are not kept.
    fn abandon(&mut self) {
        if let Self::Remote(runtime, writer) = self {
            let _ = runtime.block_on(writer.abort());
        }
    }

    /// Makes the file appear, or outlive a crash.
    fn finish(&mut self) -> Result<()> {
        match self {
            Self::Local(path, file) => file.sync_all().map_err(|error| HatsError::io(path.as_path(), error)),
            Self::Remote(runtime, writer) => {
                let done = runtime.block_on(writer.shutdown());
                Ok(done.map_err(object_store_error)?)
            }
        }
    }
}

/// The store's own error, where there is one inside.
fn object_store_error(error: io::Error) -> object_store::Error {
    match error.downcast::<object_store::Error>() {
        Ok(inner) => inner,
        Err(error) => object_store::Error::Generic {
            store: "writer",
            source: error.into(),
        },
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Local(_, file) => file.write(bytes),
            Self::Remote(runtime, writer) => {
                runtime.block_on(writer.put(Bytes::copy_from_slice(bytes)))?;
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
