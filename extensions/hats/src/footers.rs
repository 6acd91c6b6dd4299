//! The `_metadata` file: the footers of all files of a dataset together, each row group with the path of its file.

use parquet::errors::Result;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData};

/// Its bytes. `common` is the footer of a file without rows; `files` have paths below the dataset folder.
pub(crate) fn together<'a>(
    common: &ParquetMetaData,
    files: impl Iterator<Item = (&'a str, &'a ParquetMetaData)>,
) -> Result<Vec<u8>> {
    let (mut row_groups, mut rows) = (Vec::new(), 0);
    for (path, footer) in files {
        rows += footer.file_metadata().num_rows();
        for row_group in footer.row_groups() {
            row_groups.push(with_path(row_group, path)?);
        }
    }
    let common = common.file_metadata();
    let all = FileMetaData::new(
        common.version(),
        rows,
        common.created_by().map(str::to_owned),
        common.key_value_metadata().cloned(),
        common.schema_descr_ptr(),
        common.column_orders().cloned(),
    );
    let mut content = b"PAR1".to_vec();
    ParquetMetaDataWriter::new(&mut content, &ParquetMetaData::new(all, row_groups)).finish()?;
    Ok(content)
}

fn with_path(row_group: &RowGroupMetaData, path: &str) -> Result<RowGroupMetaData> {
    let columns = row_group
        .columns()
        .iter()
        .map(|column| column.clone().into_builder().set_file_path(path.to_owned()).build())
        .collect::<Result<Vec<_>>>()?;
    row_group.clone().into_builder().set_column_metadata(columns).build()
}
