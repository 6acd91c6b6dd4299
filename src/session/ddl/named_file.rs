//! `FROM 'stars.parquet'`: a file named where the name of a table stands, in the local shell.
//!
//! Single quotes mean a file, or a pattern of files; the table is called by the file's name without its endings, unless
//! the statement calls it otherwise. Nothing is entered in the session's catalogue: the statement is planned over one that
//! has the files too. A server refuses such a name as it refuses any place outside of its roots.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::sql::parser::{CopyToSource, Statement as Ast};
use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, TableAlias, TableFactor, VisitMut, VisitorMut,
};
use dreyer_sky::files;

use super::external::fixed;
use super::location;
use crate::error::Place;
use crate::session::Session;
use crate::{Access, Error, ErrorKind, Result};

/// Catalogue and schema of the files while a statement is planned.
const FILES: &str = "files of this machine";

/// The files that `ast` names, each now a full name of a table.
pub(in crate::session) fn take(ast: &mut Ast) -> BTreeSet<String> {
    let mut named = Named::default();
    named.look(ast);
    named.0
}

/// Opens `files`, and gives the state in which they are tables.
///
/// # Errors
/// A file that is not there or cannot be understood; a session that may not read files; a view that would outlast it.
pub(in crate::session) async fn open(
    session: &Session,
    files: BTreeSet<String>,
    state: SessionState,
    lasting: bool,
) -> Result<SessionState> {
    if let Some(first) = files.first() {
        if session.database().config().access != Access::Full {
            return Err(refused(session, first));
        }
        if lasting {
            let message = format!("a view that lasts cannot read the file '{first}'");
            return Err(Error::new(ErrorKind::NotSupported, message)
                .with_hint("CREATE TEMP VIEW makes one that ends with the session."));
        }
    }
    let schema = MemorySchemaProvider::new();
    for file in files {
        let table = opened(session, &state, &file).await;
        let table = table.map_err(|error| error.at(Place::Word(file.clone())))?;
        schema.register_table(file, table)?;
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(FILES, Arc::new(schema))?;
    let catalogs = MemoryCatalogProviderList::new();
    for name in state.catalog_list().catalog_names() {
        if let Some(catalog) = state.catalog_list().catalog(&name) {
            catalogs.register_catalog(name, catalog);
        }
    }
    catalogs.register_catalog(FILES.to_owned(), Arc::new(catalog));
    Ok(SessionStateBuilder::new_from_existing(state)
        .with_catalog_list(Arc::new(catalogs))
        .build())
}

async fn opened(session: &Session, state: &SessionState, file: &str) -> Result<Arc<dyn TableProvider>> {
    location::to_read(session, fixed(file))?;
    let table = files::open_path(state, file).await;
    Ok(table.map_err(datafusion::error::DataFusionError::from)?)
}

/// The error for a file that a server was asked for: where it lies under no root, the one for any such place.
fn refused(session: &Session, file: &str) -> Error {
    match location::to_read(session, fixed(file)) {
        Err(error) => error,
        Ok(_) => Error::new(
            ErrorKind::Denied,
            format!("the file '{file}' cannot be named in FROM on a server"),
        )
        .with_hint("A file under a root is a table: name it without its folder and endings."),
    }
    .at(Place::Word(file.to_owned()))
}

/// Files that a statement names, each of which becomes a full name of a table.
#[derive(Default)]
struct Named(BTreeSet<String>);

impl Named {
    fn look(&mut self, ast: &mut Ast) {
        let _ = match ast {
            Ast::Statement(statement) => statement.visit(self),
            Ast::CopyTo(copy) => match &mut copy.source {
                CopyToSource::Query(query) => query.visit(self),
                CopyToSource::Relation(_) => ControlFlow::Continue(()),
            },
            Ast::Explain(explain) => {
                self.look(&mut explain.statement);
                ControlFlow::Continue(())
            }
            Ast::CreateExternalTable(_) | Ast::Reset(_) => ControlFlow::Continue(()),
        };
    }
}

impl VisitorMut for Named {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
            && let [ObjectNamePart::Identifier(ident)] = name.0.as_slice()
            && ident.quote_style == Some('\'')
        {
            let file = ident.value.clone();
            *name = ObjectName(
                [FILES, FILES, &file]
                    .map(|part| ObjectNamePart::Identifier(Ident::with_quote('"', part)))
                    .into(),
            );
            if alias.is_none() {
                *alias = table_name(&file).map(called);
            }
            self.0.insert(file);
        }
        ControlFlow::Continue(())
    }
}

/// What the table of a file is called; a pattern gives no name.
fn table_name(file: &str) -> Option<&str> {
    let name = Path::new(file).file_name()?.to_str()?;
    Some(files::table_name(name)).filter(|name| !name.is_empty() && !name.contains(['*', '?', '[']))
}

fn called(name: &str) -> TableAlias {
    TableAlias {
        explicit: true,
        name: Ident::with_quote('"', name),
        columns: Vec::new(),
        at: None,
    }
}
