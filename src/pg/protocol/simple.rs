//! The simple protocol: a text of any number of statements, run one after the other, rows in text.

use std::sync::Arc;

use pgwire::messages::PgWireBackendMessage as Answer;
use pgwire::messages::response::EmptyQueryResponse;

use super::super::connection::Connection;
use super::super::portal::{Portal, Prepared, Sent};
use super::super::report::Failure;
use super::super::statement::{self, Parsed};

impl Connection {
    /// Query: runs the statements up to the first that fails.
    pub(super) async fn query(&mut self, text: &str) -> Result<(), Failure> {
        self.portals.remove("");
        self.statements.remove("");
        let parsed = statement::parse(&self.session, text).map_err(Failure::Error);
        let statements = match parsed {
            Ok(statements) => statements,
            Err(failure) => {
                self.trail.begin(text);
                self.conclude::<()>(Err(failure))?;
                return self.ready().await;
            }
        };
        if statements.is_empty() {
            self.wire.queue(&Answer::EmptyQueryResponse(EmptyQueryResponse::new()));
        }
        self.together = statements.len() > 1;
        for statement in statements {
            let done = self.query_one(statement, text).await;
            if self.conclude(done)?.is_none() {
                break;
            }
        }
        self.together = false;
        self.ready().await
    }

    async fn query_one(&mut self, statement: Parsed, text: &str) -> Result<(), Failure> {
        let control = self.control(Some(text));
        let work = self.plan(statement, &[], &control).await?;
        let prepared = Arc::new(Prepared::new(text.to_owned(), work));
        let plan = self.bind_values(&prepared, Vec::new())?;
        let mut portal = Portal::simple(prepared, plan);
        self.announce(&mut portal);
        match self.run_portal(&mut portal, 0, &control).await? {
            Sent::All { .. } | Sent::Some => Ok(()),
        }
    }
}
