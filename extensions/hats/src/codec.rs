//! HATS scans on the wire.
//!
//! The stock encoding of a Parquet scan travels inside; around it goes what that encoding has no place for: the
//! tiles, the part of the sky, and each leaf's ETag, so that a reader elsewhere reads the version that was planned.
//! Footers are cached, and stores looked up, where the scan arrives.

use std::sync::Arc;

use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use dreyer_sphere::{Cell, CellRanges};
use dreyer_tiling::{FileVersion, pinned};
use object_store::ObjectMeta;
use prost::Message;

use crate::listing::Tile;
use crate::reader::PinnedReaderFactory;
use crate::source::{HatsSource, Origin};

/// First bytes of every encoded scan: a scan of another kind, or of another version of this one, is refused.
const MAGIC: &[u8] = b"HATS\x01";

/// Encodes and decodes HATS scans; everything else is left to other codecs.
#[derive(Debug, Clone, Copy, Default)]
pub struct HatsCodec;

impl PhysicalExtensionCodec for HatsCodec {
    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some((config, source)) = HatsSource::of(&node) else {
            return Err(DataFusionError::NotImplemented(format!(
                "{} is not a HATS scan",
                node.name()
            )));
        };
        let stock = FileScanConfigBuilder::from(config.clone())
            .with_source(Arc::new(source.parquet.clone()))
            .build();
        let stock: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(stock);
        let stock = proto_converter.execution_plan_to_proto(&stock, self)?.encode_to_vec();
        buf.extend_from_slice(MAGIC);
        message_of(source, stock)
            .encode(buf)
            .map_err(|error| DataFusionError::External(Box::new(error)))
    }

    fn try_decode(
        &self,
        buf: &[u8],
        _inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let body = buf
            .strip_prefix(MAGIC)
            .ok_or_else(|| garbled("it does not begin as one"))?;
        let message = ScanMessage::decode(body).map_err(garbled)?;
        let stock = PhysicalPlanNode::decode(message.stock.as_slice()).map_err(garbled)?;
        let stock = proto_converter.proto_to_execution_plan(&stock, &PhysicalPlanDecodeContext::new(ctx, self))?;
        let config = stock
            .downcast_ref::<DataSourceExec>()
            .and_then(|exec| exec.data_source().downcast_ref());
        let config: &FileScanConfig = config.ok_or_else(|| garbled("it holds no file scan"))?;
        let parquet = config.file_source.downcast_ref::<ParquetSource>().cloned();
        let mut parquet = parquet.ok_or_else(|| garbled("it holds no Parquet scan"))?;

        let readers = PinnedReaderFactory::new(&ctx.runtime_env(), &config.object_store_url)?;
        parquet = parquet.with_parquet_file_reader_factory(Arc::new(readers.clone()));
        if let Some(bytes) = parquet.table_parquet_options().global.metadata_size_hint {
            parquet = parquet.with_metadata_size_hint(bytes);
        }
        let source = source_of(message, parquet, readers)?;
        let groups = pinned(&config.file_groups, source.tiles.iter().flat_map(|tile| &tile.files))?;
        let config = FileScanConfigBuilder::from(config.clone())
            .with_file_groups(groups)
            .with_source(Arc::new(source))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

fn garbled(fault: impl ToString) -> DataFusionError {
    DataFusionError::Execution(format!("an encoded HATS scan cannot be read: {}", fault.to_string()))
}

#[derive(Clone, PartialEq, Message)]
struct ScanMessage {
    #[prost(bytes = "vec", tag = "1")]
    stock: Vec<u8>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    path: String,
    #[prost(uint64, tag = "4")]
    tiles_total: u64,
    #[prost(string, optional, tag = "5")]
    lon_column: Option<String>,
    #[prost(string, optional, tag = "6")]
    lat_column: Option<String>,
    #[prost(string, optional, tag = "7")]
    index_column: Option<String>,
    #[prost(bool, tag = "8")]
    sorted: bool,
    #[prost(message, repeated, tag = "10")]
    tiles: Vec<TileMessage>,
    #[prost(message, optional, tag = "11")]
    ranges: Option<RangesMessage>,
    #[prost(bool, tag = "12")]
    reordered: bool,
    #[prost(uint64, tag = "13")]
    read_ahead_bytes: u64,
    #[prost(bool, tag = "14")]
    index_exact: bool,
}

#[derive(Clone, PartialEq, Message)]
struct TileMessage {
    #[prost(uint32, tag = "1")]
    order: u32,
    #[prost(uint64, tag = "2")]
    index: u64,
    #[prost(uint64, optional, tag = "3")]
    rows: Option<u64>,
    #[prost(message, repeated, tag = "4")]
    files: Vec<FileVersion>,
}

/// Starts and ends of ranges, in turn.
#[derive(Clone, PartialEq, Message)]
struct RangesMessage {
    #[prost(uint64, repeated, tag = "1")]
    edges: Vec<u64>,
}

fn message_of(source: &HatsSource, stock: Vec<u8>) -> ScanMessage {
    let origin = &source.origin;
    let (lon_column, lat_column) = origin.position.clone().unzip();
    ScanMessage {
        stock,
        name: origin.name.clone(),
        path: origin.path.clone(),
        tiles_total: origin.tiles_total as u64,
        lon_column,
        lat_column,
        index_column: origin.index.clone(),
        sorted: origin.sorted,
        tiles: source.tiles.iter().map(tile_message).collect(),
        ranges: source.ranges.as_ref().map(|ranges| RangesMessage {
            edges: ranges.iter().flat_map(|range| [range.start, range.end]).collect(),
        }),
        reordered: source.reordered,
        read_ahead_bytes: origin.read_ahead_bytes,
        index_exact: origin.index_exact,
    }
}

fn tile_message(tile: &Tile) -> TileMessage {
    TileMessage {
        order: tile.cell.order().into(),
        index: tile.cell.index(),
        rows: tile.rows,
        files: tile.files.iter().map(FileVersion::from).collect(),
    }
}

fn source_of(message: ScanMessage, parquet: ParquetSource, readers: PinnedReaderFactory) -> Result<HatsSource> {
    let tiles = message
        .tiles
        .into_iter()
        .map(tile_of)
        .collect::<Result<Arc<[Tile]>>>()?;
    let ranges = message
        .ranges
        .map(|ranges| CellRanges::from_ranges(ranges.edges.chunks_exact(2).map(|edge| edge[0]..edge[1])));
    let origin = Origin {
        name: message.name,
        path: message.path,
        tiles_total: usize::try_from(message.tiles_total).map_err(garbled)?,
        position: message.lon_column.zip(message.lat_column),
        index: message.index_column,
        sorted: message.sorted,
        read_ahead_bytes: message.read_ahead_bytes,
        index_exact: message.index_exact,
    };
    Ok(HatsSource {
        parquet,
        origin: Arc::new(origin),
        tiles,
        ranges,
        reordered: message.reordered,
        readers,
        // Indexes were asked where the scan was planned.
        lookup: None,
        answers: Arc::default(),
    })
}

fn tile_of(message: TileMessage) -> Result<Tile> {
    let order = u8::try_from(message.order).map_err(garbled)?;
    let cell = Cell::new(order, message.index).map_err(garbled)?;
    let files = message
        .files
        .into_iter()
        .map(ObjectMeta::try_from)
        .collect::<Result<_>>()?;
    Ok(Tile {
        cell,
        rows: message.rows,
        files,
    })
}
