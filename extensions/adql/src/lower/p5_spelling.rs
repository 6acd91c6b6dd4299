//! Pass 5: spellings of the standards that the planner refuses, though it has the thing.

use std::ops::ControlFlow;

use sqlparser::ast::{DuplicateTreatment, Expr, FunctionArguments, VisitorMut};

use super::Broken;
use crate::Error;

pub(super) struct Pass;

impl VisitorMut for Pass {
    type Break = Box<Error>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Broken {
        if let Expr::Function(function) = expr
            && let FunctionArguments::List(list) = &mut function.args
            && list.duplicate_treatment == Some(DuplicateTreatment::All)
        {
            // `COUNT(ALL x)` is `COUNT(x)`.
            list.duplicate_treatment = None;
        }
        ControlFlow::Continue(())
    }
}
