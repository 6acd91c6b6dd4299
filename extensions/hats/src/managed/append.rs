//! INSERT: an increment, cut along the tiles that are there, then a manifest that names it.

use crate::error::Result;
use crate::import::Input;
use crate::managed::conform;
use crate::managed::create::{discarded, tiling, write_part};
use crate::managed::publish::publish;
use crate::managed::table::ManagedTable;

impl ManagedTable {
    /// Adds the rows of `input` to the version of the table that is there now. Columns are matched by name; those that
    /// `input` lacks are NULL.
    ///
    /// # Errors
    /// `Conflict` if the table was changed in any way while the rows were written, even by another append: nothing was
    /// written then. A column that the table lacks, a value that its column cannot hold, a row without a usable
    /// position.
    pub async fn append(&self, input: Input) -> Result<Self> {
        let base = self.for_writing().await?;
        // Somebody may have died between a commit and its publishing.
        publish(&base.site).await?;
        base.site.steps.reached("opened for writing").await;
        let input = conform::conform(&input, &conform::columns_of(base.schema()))?;
        let settings = &base.manifest().settings;
        let options = settings.options(&base.machine, base.site.name(), tiling(&base));
        let part = write_part(&base.site, 'i', input, &options, base.kind()).await?;
        let folder = part.folder.clone();
        if part.rows == 0 {
            super::retire::delete_folder(&base.site, &folder).await?;
            return Ok(base);
        }
        let mut next = base.manifest().next();
        next.increments.push(part);
        match base.committing(next).await {
            Ok(table) => {
                table.site.steps.reached("manifest committed").await;
                Ok(table)
            }
            Err(error) => Err(discarded(&self.site, &folder, error).await),
        }
    }
}
