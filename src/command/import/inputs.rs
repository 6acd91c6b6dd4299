//! The rows of an import: which files are meant, in which store, and the plan that reads them.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::execution::context::SessionContext;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionConfig;
use dreyer_sky::files::{Compression, FileFormat, FileOptions, list_inputs, open_table, positions as guess};
use dreyer_sky::hats::import::Input;
use object_store::local::LocalFileSystem;
use object_store::{ObjectMeta, ObjectStore};

use super::args::ImportArgs;
use super::bar::Expected;
use crate::storage::{ClosedRegistry, open_roots};
use crate::{Access, Config, Error, ErrorKind, Result};

/// Bytes of a text file that are looked at to tell how long its lines are.
const SAMPLE_BYTES: usize = 256 << 10;

/// Rows ready to be read.
pub(super) struct Opened {
    pub(super) input: Input,
    pub(super) expected: Expected,
}

/// One thing on the command line: a store, and a path or pattern within it.
struct Given {
    shown: String,
    store: Arc<dyn ObjectStore>,
    url: ObjectStoreUrl,
    path: String,
}

/// Finds the files and looks at their columns.
///
/// # Errors
/// Nothing is there, a store cannot be opened, a file cannot be understood, the files do not go together.
pub(super) async fn open(args: &ImportArgs) -> Result<Opened> {
    let registry = Arc::new(ClosedRegistry::default());
    let words = args.options.iter().cloned().collect();
    let options = FileOptions::from_words(&words).map_err(plain)?;
    let mut files: Vec<ObjectMeta> = Vec::new();
    let mut place: Option<Given> = None;
    for given in locate(&args.inputs, &registry).await? {
        let found = list_inputs(given.store.as_ref(), &given.path, options.format).await;
        let found = found.map_err(|error| plain(error).with_detail(&given.shown))?;
        for file in found {
            if !files.iter().any(|before| before.location == file.location) {
                files.push(file);
            }
        }
        if place.as_ref().is_some_and(|before| before.url != given.url) {
            let message = format!("{} lies in another store than the other inputs", given.shown);
            return Err(Error::new(ErrorKind::InvalidParameter, message).with_hint("Import them one after the other."));
        }
        place = Some(given);
    }
    let place = place.ok_or_else(|| Error::new(ErrorKind::InvalidParameter, "there is nothing to import"))?;
    let description = match files.as_slice() {
        [file] if place.url.as_str().starts_with("file:") => format!("/{}", file.location),
        [file] => format!("{}{}", place.url.as_str(), file.location),
        files => format!("{} files", files.len()),
    };
    let context = context(registry)?;
    let state = context.state();
    let bytes = files.iter().map(|file| file.size).sum();
    let text_rows = text_rows(&files, &place, &options);
    let table = open_table(&state, place.store, place.url, files, &options)
        .await
        .map_err(plain)?;
    let told_rows = table
        .statistics()
        .and_then(|statistics| statistics.num_rows.get_value().copied());
    let plan = table.scan(&state, None, &[], None).await?;
    let partitions = state.config().target_partitions();
    let plan = plan.repartitioned(partitions, state.config_options())?.unwrap_or(plan);
    Ok(Opened {
        expected: Expected {
            bytes,
            rows: told_rows.map(|rows| rows as u64).or(text_rows),
        },
        input: Input {
            plan,
            task: context.task_ctx(),
            description,
        },
    })
}

/// The columns of right ascension and declination: those named, else those that look like it.
///
/// # Errors
/// None looks like it; one of the two is named alone.
pub(super) fn positions(input: &Input, ra: Option<&str>, dec: Option<&str>) -> Result<(String, String)> {
    if let (Some(ra), Some(dec)) = (ra, dec) {
        return Ok((ra.to_owned(), dec.to_owned()));
    }
    let schema = input.plan.schema();
    let fits = |(lon, lat): &(String, String)| ra.is_none_or(|ra| ra == lon) && dec.is_none_or(|dec| dec == lat);
    guess(&schema).into_iter().find(fits).ok_or_else(|| {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let message = format!("cannot tell which columns of {} are the position", input.description);
        Error::new(ErrorKind::InvalidParameter, message).with_hint(format!(
            "Name both with --ra COL and --dec COL; there are {}.",
            names.join(", ")
        ))
    })
}

async fn locate(inputs: &[String], registry: &ClosedRegistry) -> Result<Vec<Given>> {
    let local: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
    registry.register_store(ObjectStoreUrl::local_filesystem().as_ref(), Arc::clone(&local));
    // Each address opens what stands before its first wildcard.
    let split: Vec<_> = inputs.iter().map(|given| (given, address(given))).collect();
    let config = Config {
        roots: split
            .iter()
            .filter_map(|(_, address)| Some(address.as_ref()?.0.clone()))
            .collect(),
        access: Access::ReadOnly,
        ..Config::default()
    };
    let roots = match config.roots.is_empty() {
        true => Vec::new(),
        false => open_roots(&config, registry).await?,
    };
    let mut roots = roots.into_iter();
    let mut located = Vec::new();
    for (given, address) in split {
        let Some((_, pattern)) = address else {
            located.push(Given {
                shown: given.clone(),
                store: Arc::clone(&local),
                url: ObjectStoreUrl::local_filesystem(),
                path: local_path(given)?,
            });
            continue;
        };
        let root = roots
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a root was not opened"))?;
        located.push(Given {
            shown: root.given,
            path: match pattern.is_empty() {
                true => root.path.to_string(),
                false => format!("{}/{pattern}", root.path),
            },
            store: root.store,
            url: root.url,
        });
    }
    Ok(located)
}

/// The address of the folder before the first wildcard, and the pattern after it; `None` for paths of this machine.
fn address(given: &str) -> Option<(String, String)> {
    let (scheme, _) = given.split_once("://").filter(|(scheme, _)| *scheme != "file")?;
    let (address, options) = given
        .split_once('?')
        .map_or((given, ""), |(address, options)| (address, options));
    let options = if options.is_empty() {
        String::new()
    } else {
        format!("?{options}")
    };
    let Some(wild) = address.find(['*', '[']) else {
        return Some((given.to_owned(), String::new()));
    };
    let folder = address[..wild].rfind('/').filter(|at| *at > scheme.len() + 2)?;
    let (folder, pattern) = address.split_at(folder);
    Some((format!("{folder}{options}"), pattern.trim_start_matches('/').to_owned()))
}

/// The path as the store of this machine's disk has it. Absolute, links as they are.
fn local_path(given: &str) -> Result<String> {
    let given = given.strip_prefix("file://").unwrap_or(given);
    let full = std::path::absolute(given)
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot find {given}: {error}")))?;
    let text = full.to_string_lossy().trim_start_matches('/').to_owned();
    let is_folder = given.ends_with('/') && !text.ends_with('/');
    Ok(if is_folder { format!("{text}/") } else { text })
}

fn context(registry: Arc<ClosedRegistry>) -> Result<SessionContext> {
    let runtime = RuntimeEnvBuilder::new()
        .with_object_store_registry(registry)
        .build_arc()?;
    Ok(SessionContext::new_with_config_rt(SessionConfig::new(), runtime))
}

/// Rows of plain text files on this machine, told from the length of the first lines.
fn text_rows(files: &[ObjectMeta], place: &Given, options: &FileOptions) -> Option<u64> {
    let first = files.first().filter(|_| place.url.as_str().starts_with("file:"))?;
    let path = Path::new("/").join(first.location.as_ref());
    let (format, compression) = FileFormat::of_name(first.location.as_ref())?;
    let format = options.format.unwrap_or(format);
    let is_text = matches!(format, FileFormat::Csv | FileFormat::Tsv | FileFormat::Ecsv);
    if !is_text || compression != Compression::None {
        return None;
    }
    let mut sample = Vec::new();
    let mut start = File::open(path).ok()?.take(SAMPLE_BYTES as u64);
    start.read_to_end(&mut sample).ok()?;
    let lines = sample.iter().filter(|byte| **byte == b'\n').count() as u64;
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    (lines > 0).then(|| bytes * lines / sample.len() as u64)
}

fn plain(error: dreyer_sky::files::FilesError) -> Error {
    Error::from(datafusion::error::DataFusionError::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_before_the_first_wildcard() {
        let of = |given: &str| address(given).map(|(a, b)| format!("{a} {b}"));
        assert_eq!(of("data/*.csv"), None);
        assert_eq!(of("file:///data/x.csv"), None);
        assert_eq!(of("s3://b/x.csv").as_deref(), Some("s3://b/x.csv "));
        assert_eq!(
            of("s3://b/p/q*/r.csv?region=x").as_deref(),
            Some("s3://b/p?region=x q*/r.csv")
        );
        assert_eq!(of("s3://b/*.csv").as_deref(), Some("s3://b *.csv"));
    }
}
