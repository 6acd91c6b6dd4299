//! Columns that every relation of PostgreSQL has and no `*` shows: `tableoid` of the catalogue's relations, by which
//! `pg_description` tells whose comment it has.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::{Expr, Select, VisitMut, VisitorMut};

use super::super::catalog::number_of_catalog_relation;
use super::aliases::{self, lower};
use super::expression;

/// Replaces `a.tableoid` where `a` is a relation of the catalogue.
pub(super) fn fill_in(select: &mut Select) -> Result<()> {
    let relations = aliases::of(select).into_iter();
    let mut numbers = Numbers(
        relations
            .map(|(name, relation)| (name, number_of_catalog_relation(&relation)))
            .collect(),
    );
    if numbers.0.is_empty() {
        return Ok(());
    }
    match select.visit(&mut numbers) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Numbers of relations by the names that they go by.
struct Numbers(HashMap<String, u32>);

impl VisitorMut for Numbers {
    type Break = DataFusionError;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let number = match &*expr {
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., table, column] if lower(column) == "tableoid" => self.0.get(&lower(table)),
                _ => None,
            },
            Expr::Identifier(column) if lower(column) == "tableoid" && self.0.len() == 1 => self.0.values().next(),
            _ => None,
        };
        if let Some(number) = number {
            match expression(&format!("oid({number})")) {
                Ok(filled) => *expr = filled,
                Err(error) => return ControlFlow::Break(error),
            }
        }
        ControlFlow::Continue(())
    }
}
