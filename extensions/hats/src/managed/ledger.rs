//! Where a managed table lies, and how its manifest is read and replaced.
//!
//! | store | a commit is | of two writers |
//! |---|---|---|
//! | object store | a put on condition that the manifest is the one that was read (or that there is none) | the second put is refused |
//! | local disk | staged, synced and renamed under the table's lock, after the manifest was read again | the second finds another |
//!
//! Nothing here knows what a manifest means to a query; who publishes for foreign readers is `publish`.

use std::path::Path as FsPath;

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions, UpdateVersion};

use crate::error::{HatsError, Result};
use crate::import::Place;
use crate::layout::MANIFEST_FILE;
use crate::managed::durable::{self, Staged, blocking};
use crate::managed::lock::Lock;
use crate::managed::manifest::{Kind, Manifest, State};
use crate::managed::steps::Steps;

/// A folder that holds, held or will hold a managed table.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) steps: Steps,
}

/// A manifest as the store has it.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) manifest: Manifest,
    pub(crate) update: UpdateVersion,
}

/// What a place is to those who look for a table.
#[derive(Debug)]
pub(crate) enum Standing {
    /// No manifest.
    Absent,
    /// A tombstone.
    Dropped(Committed),
    /// A table is being moved here and is not here yet.
    Pending(Committed),
    /// A table.
    Live(Committed),
}

impl Site {
    pub(crate) fn new(place: Place, steps: Steps) -> Self {
        Self { place, steps }
    }

    /// The site of another folder of the same store; only for object stores, where a path says it all.
    pub(crate) fn elsewhere(&self, path: &str) -> Result<Self> {
        let path =
            Path::parse(path).map_err(|error| HatsError::malformed(self.file(MANIFEST_FILE), error.to_string()))?;
        let place = Place {
            path,
            local: None,
            ..self.place.clone()
        };
        Ok(Self::new(place, self.steps.clone()))
    }

    /// Name of the table: that of its folder.
    pub(crate) fn name(&self) -> &str {
        self.place.path.filename().unwrap_or("table")
    }

    /// A file or folder of the table.
    pub(crate) fn file(&self, name: &str) -> Path {
        self.place.path.clone().join(name)
    }

    /// The same table's folder `name` as a place of its own.
    pub(crate) fn part(&self, name: &str) -> Place {
        self.place.child(name)
    }

    /// The manifest that is there now.
    pub(crate) async fn read(&self) -> Result<Option<Committed>> {
        let file = self.file(MANIFEST_FILE);
        let found = match self.place.store.get(&file).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let update = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let manifest = Manifest::parse(&found.bytes().await?, file.as_ref())?;
        Ok(Some(Committed { manifest, update }))
    }

    /// What is there now. A table that is being moved here counts as here from the moment that the other end is a
    /// tombstone which points to exactly this manifest.
    pub(crate) async fn standing(&self) -> Result<Standing> {
        let Some(found) = self.read().await? else {
            return Ok(Standing::Absent);
        };
        if found.manifest.state != State::Live {
            return Ok(Standing::Dropped(found));
        }
        let Some(from) = &found.manifest.moved_from else {
            return Ok(Standing::Live(found));
        };
        let there = self.elsewhere(&from.path)?.read().await?;
        let arrived = there.is_some_and(|there| match there.manifest.state {
            State::Dropped { moved_to: Some(to) } => {
                to.commit == found.manifest.commit && to.path == self.place.path.as_ref()
            }
            _ => false,
        });
        Ok(if arrived {
            Standing::Live(found)
        } else {
            Standing::Pending(found)
        })
    }

    /// The table that is there now.
    ///
    /// # Errors
    /// `Conflict` if there is none: the caller had opened it before.
    pub(crate) async fn live(&self) -> Result<Committed> {
        match self.standing().await? {
            Standing::Live(found) => Ok(found),
            _ => Err(self.conflict("it was dropped or renamed by another writer; nothing was written")),
        }
    }

    /// Replaces the manifest `expected` (`None`: there is none) by `next`.
    ///
    /// # Errors
    /// `Conflict` if another one is there. After any other error it is not known which one is.
    pub(crate) async fn commit(&self, expected: Option<&Committed>, next: Manifest) -> Result<Committed> {
        match self.place.local.clone() {
            Some(folder) => {
                let lock = Lock::take(&folder).await?;
                self.steps.reached("locked").await;
                let committed = self.commit_locked(&lock, &folder, expected, next).await;
                drop(lock);
                committed
            }
            None => self.commit_remote(expected, next).await,
        }
    }

    /// The same on the local disk, by whoever holds the lock already.
    pub(crate) async fn commit_locked(
        &self,
        _lock: &Lock,
        folder: &FsPath,
        expected: Option<&Committed>,
        next: Manifest,
    ) -> Result<Committed> {
        let commit = |found: &Committed| found.manifest.commit.clone();
        if self.read().await?.as_ref().map(commit) != expected.map(commit) {
            return Err(self.changed());
        }
        let (bytes, folder) = (next.render()?, folder.to_owned());
        let staged = blocking(move || Staged::write(&folder, &bytes)).await?;
        self.steps.reached("manifest staged").await;
        blocking(move || staged.install(MANIFEST_FILE)).await?;
        let meta = self.place.store.head(&self.file(MANIFEST_FILE)).await?;
        Ok(Committed {
            manifest: next,
            update: UpdateVersion {
                e_tag: meta.e_tag,
                version: meta.version,
            },
        })
    }

    async fn commit_remote(&self, expected: Option<&Committed>, next: Manifest) -> Result<Committed> {
        let options = PutOptions::from(match expected {
            Some(expected) => PutMode::Update(expected.update.clone()),
            None => PutMode::Create,
        });
        let file = self.file(MANIFEST_FILE);
        let put = self.place.store.put_opts(&file, next.render()?.into(), options).await;
        let error = match put {
            Ok(done) => {
                return Ok(Committed {
                    manifest: next,
                    update: done.into(),
                });
            }
            Err(error) => error,
        };
        // The answer may have been lost, and a repetition of the request refused: then the put that won was ours.
        if let Ok(Some(found)) = self.read().await
            && found.manifest.commit == next.commit
        {
            return Ok(found);
        }
        if is_refusal(&error) {
            Err(self.changed())
        } else {
            Err(error.into())
        }
    }

    /// The error of the writer who came second.
    pub(crate) fn changed(&self) -> HatsError {
        self.conflict("it was changed by another writer; nothing was written, run the statement again")
    }

    pub(crate) fn conflict(&self, fault: &str) -> HatsError {
        HatsError::Conflict {
            table: self.place.path.to_string(),
            fault: fault.to_owned(),
        }
    }

    /// Makes what was written to the part `name` outlive a crash. Object stores do so by themselves, and the writer of
    /// catalogues has synced all but the name of its folder.
    pub(crate) async fn sync(&self, name: &str, kind: Kind) -> Result<()> {
        match (self.part(name).local, self.place.local.clone()) {
            (Some(part), _) if kind == Kind::Parquet => blocking(move || durable::sync_tree(&part)).await,
            (_, Some(table)) => blocking(move || durable::sync_folder(&table)).await,
            _ => Ok(()),
        }
    }
}

/// Whether a conditional put was refused because of its condition.
pub(crate) fn is_refusal(error: &object_store::Error) -> bool {
    use object_store::Error::{AlreadyExists, NotFound, Precondition};
    matches!(error, AlreadyExists { .. } | Precondition { .. } | NotFound { .. })
}
