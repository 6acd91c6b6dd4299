//! `LIKE … ESCAPE '/'`: the engine knows the backslash only, so the pattern is rewritten to escape with that.

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{Expr, Value};

use super::expression;

/// Rewrites a pattern with an escape of its own.
pub(super) fn escaped(expr: &mut Expr) -> Result<()> {
    let (Expr::Like {
        pattern, escape_char, ..
    }
    | Expr::ILike {
        pattern, escape_char, ..
    }) = expr
    else {
        return Ok(());
    };
    let Some(escape) = escape_char.take() else {
        return Ok(());
    };
    let own = match &escape.value {
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => text != "\\",
        _ => false,
    };
    if own {
        **pattern = expression(&format!("like_escape({pattern}, {escape})"))?;
    } else {
        *escape_char = Some(escape);
    }
    Ok(())
}
