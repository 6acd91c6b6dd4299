//! Which files are meant: a file, a folder with all that lies in it, or a pattern, within one store.
//!
//! Hidden files and folders (`.x`, `_x`) are left out, except where a path names them.

use futures::TryStreamExt;
use glob::{MatchOptions, Pattern};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::error::{FilesError, Result};
use crate::format::FileFormat;

/// `*` stays within one folder, `**` does not.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// The files of `store` that `path_or_glob` means, in the order of their paths: one file by its name; all files below a
/// folder whose endings tell a format (all of `format`, if it is given); all that match a pattern with `*`, `?` or `[`.
///
/// # Errors
/// Nothing is there, or nothing that can be a table; a pattern that is none; the store fails.
pub async fn list_inputs(
    store: &dyn ObjectStore,
    path_or_glob: &str,
    format: Option<FileFormat>,
) -> Result<Vec<ObjectMeta>> {
    let given = path_or_glob.trim_start_matches('/');
    if given.contains(['*', '?', '[']) && !exists(store, given).await? {
        return matching(store, given).await;
    }
    let path = Path::parse(given).map_err(|error| FilesError::nothing(path_or_glob, error))?;
    if !given.ends_with('/') && !given.is_empty() {
        match store.head(&path).await {
            Ok(meta) => return Ok(vec![meta]),
            // A folder, perhaps. Some stores of plain HTTP answer a folder with other errors; listing says more.
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) if is_local_folder(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut files = below(store, &path).await?;
    if files.is_empty() {
        return Err(FilesError::nothing(path_or_glob, "there is no such file or folder"));
    }
    files.retain(|file| {
        let of_name = FileFormat::of_name(file.location.as_ref()).map(|(format, _)| format);
        of_name.is_some() && (format.is_none() || of_name == format)
    });
    let wanted = format.map_or_else(|| "table".to_owned(), |format| format!("{format} file"));
    if files.is_empty() {
        let fault = format!("no {wanted} in this folder, by the endings of the names");
        return Err(FilesError::nothing(path_or_glob, fault));
    }
    Ok(files)
}

async fn exists(store: &dyn ObjectStore, path: &str) -> Result<bool> {
    let Ok(path) = Path::parse(path) else { return Ok(false) };
    match store.head(&path).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) if is_local_folder(&error) => Ok(false),
        // Characters of a pattern may be more than a store takes in a name.
        Err(object_store::Error::Generic { .. } | object_store::Error::InvalidPath { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The store of local files has no name of its own for "this is a folder".
fn is_local_folder(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Generic { store, .. } if *store == "LocalFileSystem")
}

async fn matching(store: &dyn ObjectStore, given: &str) -> Result<Vec<ObjectMeta>> {
    let pattern = Pattern::new(given).map_err(|error| FilesError::nothing(given, error))?;
    // What stands before the first folder with a wildcard is listed; the rest is matched.
    let fixed = given
        .split_once(['*', '?', '['])
        .map_or(given, |(before, _)| before)
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    let folder = Path::parse(fixed).map_err(|error| FilesError::nothing(given, error))?;
    let mut files = below(store, &folder).await?;
    files.retain(|file| pattern.matches_with(file.location.as_ref(), MATCHING));
    if files.is_empty() {
        return Err(FilesError::nothing(given, "no file matches this pattern"));
    }
    Ok(files)
}

async fn below(store: &dyn ObjectStore, folder: &Path) -> Result<Vec<ObjectMeta>> {
    let prefix = (!folder.as_ref().is_empty()).then_some(folder);
    let mut files: Vec<ObjectMeta> = store
        .list(prefix)
        .try_filter(|file| std::future::ready(!is_hidden(folder, &file.location)))
        .try_collect()
        .await?;
    files.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(files)
}

/// Whether the file, or a folder between `folder` and it, is hidden.
fn is_hidden(folder: &Path, file: &Path) -> bool {
    let Some(mut parts) = file.prefix_match(folder) else {
        return true;
    };
    parts.any(|part| hidden_name(part.as_ref()))
}

/// Whether a name is that of a hidden file or folder.
pub(crate) fn hidden_name(name: &str) -> bool {
    name.starts_with(['.', '_'])
}
