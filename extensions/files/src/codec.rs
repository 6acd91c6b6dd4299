//! Scans of plain files on the wire.
//!
//! The engine's encoding of what every scan of files has travels inside; around it goes what that has no place for: the
//! version of each file, so that a reader elsewhere reads the one that was planned, and how files are to be read. Footers
//! are cached, and stores looked up, where the scan arrives.

use std::sync::Arc;

use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::from_proto::parse_protobuf_file_scan_config;
use datafusion_proto::physical_plan::to_proto::serialize_file_scan_config;
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::{FileScanExecConf, PhysicalPlanNode};
use dreyer_tiling::{FileVersion, pinned};
use object_store::ObjectMeta;
use prost::Message;

use crate::footers::PinnedReaders;
use crate::format::{Compression, FileFormat};
use crate::guard::GuardedSource;
use crate::options::FileOptions;
use crate::share::Source;
use crate::source::PlainSource;

/// First bytes of every encoded scan: a scan of another kind, or of another version of this one, is refused.
const MAGIC: &[u8] = b"FILES\x01";

/// Encodes and decodes scans of plain files; everything else is left to other codecs.
#[derive(Debug, Clone, Copy, Default)]
pub struct FilesCodec;

#[derive(Clone, PartialEq, Message)]
struct ScanMessage {
    #[prost(message, repeated, tag = "1")]
    files: Vec<FileVersion>,
    /// A scan of Parquet files, as the engine writes it.
    #[prost(message, optional, tag = "2")]
    parquet: Option<PhysicalPlanNode>,
    /// What any other scan has in common with all scans.
    #[prost(message, optional, tag = "3")]
    plain: Option<FileScanExecConf>,
    #[prost(message, optional, tag = "4")]
    reading: Option<ReadingMessage>,
}

/// How files other than Parquet are read. How the types of columns were found is no longer asked.
#[derive(Clone, PartialEq, Message)]
struct ReadingMessage {
    #[prost(string, tag = "1")]
    format: String,
    /// The format that was given, whatever the files' names.
    #[prost(bool, tag = "2")]
    format_given: bool,
    #[prost(string, optional, tag = "3")]
    compression: Option<String>,
    #[prost(string, repeated, tag = "4")]
    null_words: Vec<String>,
    #[prost(uint32, optional, tag = "5")]
    delimiter: Option<u32>,
    #[prost(uint32, tag = "6")]
    quote: u32,
    #[prost(bool, tag = "7")]
    header: bool,
    #[prost(uint32, optional, tag = "8")]
    comment: Option<u32>,
    #[prost(string, optional, tag = "9")]
    table: Option<String>,
}

impl PhysicalExtensionCodec for FilesCodec {
    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some((config, source)) = Source::of(&node) else {
            return Err(DataFusionError::NotImplemented(format!(
                "{} is no scan of plain files",
                node.name()
            )));
        };
        let files = config.file_groups.iter().flat_map(FileGroup::iter);
        let mut message = ScanMessage {
            files: files.map(|file| FileVersion::from(&file.object_meta)).collect(),
            ..ScanMessage::default()
        };
        // Parts of one file share its version.
        message.files.sort_by(|a, b| a.path.cmp(&b.path));
        message.files.dedup();
        match source {
            Source::Parquet(parquet) => {
                let stock = FileScanConfigBuilder::from(config.clone())
                    .with_source(Arc::new(parquet.clone()))
                    .build();
                let stock: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(stock);
                message.parquet = Some(proto_converter.execution_plan_to_proto(&stock, self)?);
            }
            Source::Plain(plain) => {
                message.plain = Some(serialize_file_scan_config(config, self, proto_converter)?);
                message.reading = Some(ReadingMessage::of(plain));
            }
        }
        buf.extend_from_slice(MAGIC);
        message
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
        let decode = PhysicalPlanDecodeContext::new(ctx, self);
        let config = match (&message.parquet, &message.plain, message.reading) {
            (Some(node), ..) => {
                let stock = proto_converter.proto_to_execution_plan(node, &decode)?;
                of_parquet(&stock, ctx)?
            }
            (None, Some(scan), Some(reading)) => {
                let schema = FileScanConfig::parse_table_schema_from_proto(scan)?;
                let (format, options) = reading.options()?;
                let source = PlainSource::new(format, Arc::new(options), Arc::clone(schema.file_schema()));
                parse_protobuf_file_scan_config(scan, &decode, proto_converter, Arc::new(source))?
            }
            _ => return Err(garbled("it holds no scan")),
        };
        let versions = message.files.into_iter().map(ObjectMeta::try_from);
        let groups = pinned(&config.file_groups, &versions.collect::<Result<Vec<_>>>()?)?;
        let config = FileScanConfigBuilder::from(config).with_file_groups(groups).build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// The scan of Parquet files that the engine decoded, reading only the versions that were planned.
fn of_parquet(stock: &Arc<dyn ExecutionPlan>, ctx: &TaskContext) -> Result<FileScanConfig> {
    let config = stock
        .downcast_ref::<DataSourceExec>()
        .and_then(|exec| exec.data_source().downcast_ref());
    let config: &FileScanConfig = config.ok_or_else(|| garbled("it holds no file scan"))?;
    let parquet = config.file_source.downcast_ref::<ParquetSource>().cloned();
    let mut parquet = parquet.ok_or_else(|| garbled("it holds no Parquet scan"))?;
    let readers = PinnedReaders::new(&ctx.runtime_env(), &config.object_store_url)?;
    parquet = parquet.with_parquet_file_reader_factory(Arc::new(readers));
    if let Some(bytes) = parquet.table_parquet_options().global.metadata_size_hint {
        parquet = parquet.with_metadata_size_hint(bytes);
    }
    Ok(FileScanConfigBuilder::from(config.clone())
        .with_source(Arc::new(GuardedSource::new(Arc::new(parquet))))
        .build())
}

impl ReadingMessage {
    fn of(source: &PlainSource) -> Self {
        let options = source.options();
        Self {
            format: source.format().word().to_owned(),
            format_given: options.format.is_some(),
            compression: options.compression.map(|compression| compression.word().to_owned()),
            null_words: options.null_words.clone(),
            delimiter: options.delimiter.map(u32::from),
            quote: options.quote.into(),
            header: options.header,
            comment: options.comment.map(u32::from),
            table: options.table.clone(),
        }
    }

    fn options(self) -> Result<(FileFormat, FileOptions)> {
        let byte = |byte: u32| u8::try_from(byte).map_err(garbled);
        let format = FileFormat::stored_as(&self.format).ok_or_else(|| garbled("an unknown format"))?;
        let compression = self
            .compression
            .map(|word| Compression::of_word(&word).ok_or_else(|| garbled("an unknown compression")));
        let options = FileOptions {
            format: self.format_given.then_some(format),
            compression: compression.transpose()?,
            null_words: self.null_words,
            delimiter: self.delimiter.map(byte).transpose()?,
            quote: byte(self.quote)?,
            header: self.header,
            comment: self.comment.map(byte).transpose()?,
            table: self.table,
            ..FileOptions::default()
        };
        Ok((format, options))
    }
}

fn garbled(fault: impl ToString) -> DataFusionError {
    let fault = fault.to_string();
    DataFusionError::Execution(format!("an encoded scan of plain files cannot be read: {fault}"))
}
