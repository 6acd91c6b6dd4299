//! One version of a managed table, opened.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use object_store::ObjectStoreExt;

use crate::catalog::HatsCatalog;
use crate::error::{HatsError, Result};
use crate::import::{ImportOptions, Place};
use crate::layout::MANIFEST_FILE;
use crate::managed::ledger::{Committed, Site, Standing};
use crate::managed::manifest::{Kind, Manifest};
use crate::managed::opened;
use crate::managed::plain::PlainTable;
use crate::managed::steps::Steps;
use crate::table::HatsTable;

/// One version of a managed table. It stays readable until its folders are deleted, a grace period after another
/// version took its place.
#[derive(Debug, Clone)]
pub struct ManagedTable {
    pub(crate) site: Site,
    pub(crate) committed: Arc<Committed>,
    /// The columns as the snapshot's schema file has them, without comments.
    stored: SchemaRef,
    schema: SchemaRef,
    /// `None` where rows have no position.
    catalog: Option<Arc<HatsCatalog>>,
    /// Memory and spill folder of writes.
    pub(crate) machine: ImportOptions,
}

impl ManagedTable {
    /// Opens the table at `place`. `None`: there is none, it was dropped, or it is being moved here and has not
    /// arrived. Costs two small GETs, whatever the number of files.
    ///
    /// # Errors
    /// The store failed, the manifest cannot be understood, or it names files that are not there.
    pub async fn open(place: Place) -> Result<Option<Self>> {
        Self::open_at(Site::new(place, Steps::default())).await
    }

    pub(crate) async fn open_at(site: Site) -> Result<Option<Self>> {
        match site.standing().await? {
            Standing::Live(found) => Self::of(site, found, None).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The table of a manifest. `before` is another version of it: its columns are taken over where they are the same.
    pub(crate) async fn of(site: Site, mut committed: Committed, before: Option<&Self>) -> Result<Self> {
        let schema_file = |manifest: &Manifest| {
            let snapshot = manifest.snapshot.as_ref();
            snapshot.map(|snapshot| (snapshot.folder.clone(), snapshot.schema.clone()))
        };
        let known = before.filter(|before| schema_file(before.manifest()) == schema_file(&committed.manifest));
        let stored = match known {
            Some(before) => Arc::clone(&before.stored),
            None => {
                let (stored, unchanged) = opened::stored_schema(&site, &committed.manifest).await?;
                if !unchanged {
                    committed.manifest = opened::relisted(&site, &committed.manifest).await?;
                }
                stored
            }
        };
        let manifest = &committed.manifest;
        let schema = opened::commented(&stored, &manifest.column_comments);
        let catalog = match manifest.kind {
            Kind::Hats => Some(Arc::new(opened::catalog(&site, manifest, Arc::clone(&schema))?)),
            Kind::Parquet => None,
        };
        let machine = before.map_or_else(|| ImportOptions::new(site.name()), |before| before.machine.clone());
        Ok(Self {
            site,
            committed: Arc::new(committed),
            stored,
            schema,
            catalog,
            machine,
        })
    }

    /// The version that is there now; cheaper than opening it anew, since columns that are the same are not read again.
    /// `None`: the table was dropped or renamed.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn refreshed(&self) -> Result<Option<Self>> {
        match self.site.standing().await? {
            Standing::Live(found) if found.manifest.commit == self.manifest().commit => Ok(Some(self.clone())),
            Standing::Live(found) => Self::of(self.site.clone(), found, Some(self)).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The same, for a statement that is about to write: to be gone is a conflict.
    pub(crate) async fn for_writing(&self) -> Result<Self> {
        let found = self.site.live().await?;
        Self::of(self.site.clone(), found, Some(self)).await
    }

    /// Whether no other version has been committed since this one was read. Costs one HEAD.
    ///
    /// # Errors
    /// The store failed.
    pub async fn is_current(&self) -> Result<bool> {
        match self.site.place.store.head(&self.site.file(MANIFEST_FILE)).await {
            Ok(found) => Ok(found.e_tag.is_some() && found.e_tag == self.committed.update.e_tag),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The same table, whose writes take memory and spill folder from `options`.
    #[must_use]
    pub fn with_resources(mut self, options: &ImportOptions) -> Self {
        self.machine = options.clone();
        self
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.committed.manifest
    }

    /// Where it lies.
    pub fn place(&self) -> &Place {
        &self.site.place
    }

    /// How many commits there have been at this place.
    pub fn version(&self) -> u64 {
        self.manifest().version
    }

    /// ETag of the manifest.
    pub fn etag(&self) -> Option<&str> {
        self.committed.update.e_tag.as_deref()
    }

    /// What its rows are stored as.
    pub fn kind(&self) -> Kind {
        self.manifest().kind
    }

    /// Its columns. The description of each is its comment, where there is one.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Its rows, increments included.
    pub fn rows(&self) -> u64 {
        self.manifest().parts().map(|part| part.rows).sum()
    }

    /// Stored bytes of its rows.
    pub fn bytes(&self) -> u64 {
        self.manifest().parts().map(super::manifest::Part::bytes).sum()
    }

    /// Increments that wait to be merged by [`vacuum`](Self::vacuum).
    pub fn increments(&self) -> usize {
        self.manifest().increments.len()
    }

    /// The comment on the table.
    pub fn comment(&self) -> Option<&str> {
        self.manifest().comment.as_deref()
    }

    /// Snapshot and increments as one catalogue; `None` where rows have no position.
    pub fn catalog(&self) -> Option<&Arc<HatsCatalog>> {
        self.catalog.as_ref()
    }

    /// This version as a table for queries.
    pub fn table(&self) -> Arc<dyn TableProvider> {
        match &self.catalog {
            Some(catalog) => Arc::new(HatsTable::new(Arc::clone(catalog))),
            None => Arc::new(PlainTable {
                url: self.site.place.url.clone(),
                schema: Arc::clone(&self.schema),
                files: opened::files(&self.site, self.manifest()),
            }),
        }
    }

    /// Sets or, with `None`, removes the comment on the table.
    ///
    /// # Errors
    /// `Conflict` if another writer came first.
    pub async fn set_comment(&self, comment: Option<&str>) -> Result<Self> {
        let base = self.for_writing().await?;
        let mut next = base.manifest().next();
        next.comment = comment.map(str::to_owned);
        base.committing(next).await
    }

    /// Sets or, with `None`, removes the comment on a column, which is its description.
    ///
    /// # Errors
    /// No such column; `Conflict` if another writer came first.
    pub async fn set_column_comment(&self, column: &str, comment: Option<&str>) -> Result<Self> {
        let base = self.for_writing().await?;
        if base.schema.field_with_name(column).is_err() {
            return Err(HatsError::Option {
                option: "column",
                fault: format!("must be one of table {}'s, got '{column}'", base.site.name()),
            });
        }
        let mut next = base.manifest().next();
        next.column_comments
            .insert(column.to_owned(), comment.map(str::to_owned));
        base.committing(next).await
    }

    /// Commits `next` in place of this version.
    pub(crate) async fn committing(&self, next: Manifest) -> Result<Self> {
        let committed = self.site.commit(Some(&self.committed), next).await?;
        Self::of(self.site.clone(), committed, Some(self)).await
    }
}
