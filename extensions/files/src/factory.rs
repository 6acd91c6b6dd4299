//! `CREATE EXTERNAL TABLE … STORED AS …`, and a path where a table's name stands.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::CreateExternalTable;
use object_store::{ObjectMeta, ObjectStore};

use crate::error::{FilesError, Result};
use crate::format::FileFormat;
use crate::listing::list_inputs;
use crate::options::FileOptions;
use crate::table::FileTable;

/// A table over `files`, all of one format, of a store that sessions know as `url`; columns are merged by name.
///
/// # Errors
/// As for [`FileTable::open`].
pub async fn open_table(
    state: &dyn Session,
    store: Arc<dyn ObjectStore>,
    url: ObjectStoreUrl,
    files: Vec<ObjectMeta>,
    options: &FileOptions,
) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(FileTable::open(state, store, url, files, options).await?))
}

/// A table over the files that `location` means: a path of this machine, relative to the working directory or not, or a
/// URL of a store that the session knows; a file, a folder or a pattern.
///
/// # Errors
/// Nothing is there, the session does not know the store, or as for [`FileTable::open`].
pub async fn open_location(
    state: &dyn Session,
    location: &str,
    options: &FileOptions,
) -> Result<Arc<dyn TableProvider>> {
    open_locations(state, &[location.to_owned()], options).await
}

/// A table over the file, folder or pattern at a path of this machine, for `FROM 'file.parquet'` in a local shell.
///
/// # Errors
/// As for [`open_location`].
pub async fn open_path(state: &dyn Session, path: &str) -> Result<Arc<dyn TableProvider>> {
    open_location(state, path, &FileOptions::default()).await
}

async fn open_locations(
    state: &dyn Session,
    locations: &[String],
    options: &FileOptions,
) -> Result<Arc<dyn TableProvider>> {
    let mut files = Vec::new();
    let mut place: Option<ObjectStoreUrl> = None;
    for location in locations {
        let (url, path) = parsed(location)?;
        if place.as_ref().is_some_and(|before| *before != url) {
            return Err(FilesError::nothing(
                location,
                "lies in another store than the other locations",
            ));
        }
        let store = state.runtime_env().object_store(&url)?;
        let found = list_inputs(store.as_ref(), &path, options.format).await;
        files.extend(found.map_err(|error| shown(location, error))?);
        place = Some(url);
    }
    let url = place.ok_or_else(|| FilesError::nothing("a table", "no location is given"))?;
    let store = state.runtime_env().object_store(&url)?;
    open_table(state, store, url, files, options).await
}

/// The store, and path or pattern within it.
fn parsed(location: &str) -> Result<(ObjectStoreUrl, String)> {
    let fault = |error: DataFusionError| FilesError::nothing(location, error.strip_backtrace());
    // A pattern would not survive in a URL: what stands before it is the place.
    let wild = first_wildcard(location);
    let fixed = wild.map_or(location, |at| {
        location[..at]
            .rsplit_once('/')
            .map_or("./", |(folder, _)| location.get(..=folder.len()).unwrap_or_default())
    });
    let url = ListingTableUrl::parse(fixed).map_err(fault)?;
    let rest = wild.map_or("", |_| location.strip_prefix(fixed).unwrap_or(location));
    let prefix = url.prefix().as_ref();
    let path = match (wild, prefix.is_empty()) {
        (None, _) if url.is_collection() => format!("{prefix}/"),
        (None, _) => prefix.to_owned(),
        (Some(_), true) => rest.to_owned(),
        (Some(_), false) => format!("{prefix}/{rest}"),
    };
    Ok((url.object_store(), path))
}

/// Where a pattern begins to be one. In a URL that is behind the host, which may be an address in brackets, and `?` is
/// the beginning of a query.
fn first_wildcard(location: &str) -> Option<usize> {
    let Some(host) = location.find("://").map(|at| at + 3) else {
        return location.find(['*', '?', '[']);
    };
    let path = host + location[host..].find('/')?;
    location[path..].find(['*', '[']).map(|at| path + at)
}

/// A place as it was given, rather than as it is called within its store.
fn shown(location: &str, error: FilesError) -> FilesError {
    match error {
        FilesError::Nothing { fault, .. } => FilesError::nothing(location, fault),
        other => other,
    }
}

/// Makes tables for `CREATE EXTERNAL TABLE … STORED AS PARQUET | CSV | TSV | ARROW | FITS | VOTABLE | ECSV`. Columns that
/// are declared give the types of a text file's columns; other formats bring their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileTableFactory;

#[async_trait]
impl TableProviderFactory for FileTableFactory {
    async fn create(
        &self,
        state: &dyn Session,
        command: &CreateExternalTable,
    ) -> datafusion::error::Result<Arc<dyn TableProvider>> {
        let options = options_of(command)?;
        Ok(open_locations(state, &command.locations, &options).await?)
    }
}

fn options_of(command: &CreateExternalTable) -> Result<FileOptions> {
    let word = &command.file_type;
    let format = FileFormat::stored_as(word)
        .ok_or_else(|| FilesError::unknown(word, format!("no such format; there are {}", words())))?;
    let refused = [
        (!command.table_partition_cols.is_empty(), "PARTITIONED BY"),
        (!command.order_exprs.is_empty(), "WITH ORDER"),
        (command.unbounded, "UNBOUNDED"),
        (!command.column_defaults.is_empty(), "DEFAULT"),
    ];
    if let Some((_, clause)) = refused.into_iter().find(|(used, _)| *used) {
        return Err(FilesError::option(clause, "is not supported for plain files"));
    }
    let mut options = FileOptions::from_words(&command.options)?;
    options.format = Some(format);
    let declared = command.schema.fields();
    if !declared.is_empty() && !matches!(format, FileFormat::Csv | FileFormat::Tsv) {
        let fault = format!("{format} files bring their own; leave the list of columns out");
        return Err(FilesError::option("columns", fault));
    }
    options.types = declared
        .iter()
        .map(|field| (field.name().clone(), field.data_type().clone()))
        .collect();
    Ok(options)
}

fn words() -> String {
    let words: Vec<String> = FileFormat::all()
        .map(|format| format.word().to_ascii_uppercase())
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_places_and_patterns() {
        let of = |location: &str| {
            let (url, path) = parsed(location).unwrap();
            (url.as_str().to_owned(), path)
        };
        let pair = |url: &str, path: &str| (url.to_owned(), path.to_owned());
        assert_eq!(of("/data/x.csv"), pair("file:///", "data/x.csv"));
        assert_eq!(of("/data/*/x[12].csv"), pair("file:///", "data/*/x[12].csv"));
        assert_eq!(of("s3://bucket/a/b.csv"), pair("s3://bucket/", "a/b.csv"));
        assert_eq!(of("s3://bucket/a/*.csv"), pair("s3://bucket/", "a/*.csv"));
        assert_eq!(of("s3://bucket/*.csv"), pair("s3://bucket/", "*.csv"));
        assert_eq!(of("http://[::1]:80/x.csv"), pair("http://[::1]/", "x.csv"));
        assert_eq!(of("http://host/x.csv?a=1"), pair("http://host/", "x.csv"));
        let (url, path) = of("no-such-folder/*.csv");
        assert!(url == "file:///" && path.ends_with("/no-such-folder/*.csv"), "{path}");
    }
}
