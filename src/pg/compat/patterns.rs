//! Patterns. `LIKE … ESCAPE '/'`: the engine knows the backslash only, so the pattern is rewritten to escape with that.
//! `to_timestamp(t, 'YYYY-MM-DD')`: the engine's templates are those of strftime, so PostgreSQL's are translated.

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

use super::{expression, last_part};

/// Functions with a template as their second argument.
const TEMPLATED: &[&str] = &["to_timestamp", "to_date", "to_char"];

/// Parts of PostgreSQL's templates and strftime's for the same, the longer before those that they begin with.
const TEMPLATES: &[(&str, &str)] = &[
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("MONTH", "%B"),
    ("MON", "%b"),
    ("MM", "%m"),
    ("MI", "%M"),
    ("MS", "%3f"),
    ("DDD", "%j"),
    ("DD", "%d"),
    ("DAY", "%A"),
    ("DY", "%a"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("HH", "%I"),
    ("SS", "%S"),
    ("US", "%6f"),
    ("AM", "%p"),
    ("PM", "%p"),
    ("TZH:TZM", "%:z"),
    ("OF", "%:z"),
];

/// Translates the template of a function that has one; one of strftime stays.
pub(super) fn template(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    if last_part(&function.name).is_none_or(|name| !TEMPLATED.contains(&name.as_str())) {
        return;
    }
    if let FunctionArguments::List(list) = &mut function.args
        && let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] = list.args.as_mut_slice()
        && let Value::SingleQuotedString(template) = &mut value.value
        && !template.contains('%')
    {
        *template = translated(template);
    }
}

fn translated(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(letter) = rest.chars().next() {
        let begins = |part: &str| {
            rest.get(..part.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(part))
        };
        if let Some((part, meaning)) = TEMPLATES.iter().find(|(part, _)| begins(part)) {
            out.push_str(meaning);
            rest = &rest[part.len()..];
        } else {
            if letter != '"' {
                out.push(letter);
            }
            rest = &rest[letter.len_utf8()..];
        }
    }
    out
}

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
