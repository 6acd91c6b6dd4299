//! The tables as documentation: what the engine shows of a function, and the reference page in Markdown.

use std::fmt::{self, Write as _};

use datafusion::logical_expr::{DocSection, Documentation};

use crate::resolve::form;
use crate::{Arg, Domain, FnSpec, Kind, Overload};

/// What `SHOW FUNCTIONS` and `information_schema` say of a function.
pub(crate) fn documentation(spec: &FnSpec) -> Documentation {
    let section = DocSection {
        include: true,
        label: spec.family,
        description: None,
    };
    let forms: Vec<String> = spec.overloads.iter().map(|o| form(spec, o)).collect();
    let description = match spec.notes {
        "" => spec.summary.to_owned(),
        notes => format!("{} {notes}", spec.summary),
    };
    let mut builder = Documentation::builder(section, description, forms.join(" | "));
    if let Some(example) = spec.examples.first() {
        builder = builder.with_sql_example(format!("SELECT {} -- {}", example.sql, example.result));
    }
    let longest = spec.overloads.iter().map(|o| o.args).max_by_key(|args| args.len());
    for arg in longest.unwrap_or_default() {
        builder = builder.with_argument(arg.name, argument_line(arg));
    }
    builder.build()
}

/// The reference page: all functions by family, in the order of the tables.
///
/// # Errors
/// Writing into the text fails; it never does.
pub fn markdown(tables: &[&[FnSpec]]) -> Result<String, fmt::Error> {
    let mut page = String::from("# Functions\n");
    let mut families: Vec<&str> = Vec::new();
    for spec in tables.iter().flat_map(|table| table.iter()) {
        if !families.contains(&spec.family) {
            families.push(spec.family);
        }
    }
    for family in families {
        write!(page, "\n## {family}\n")?;
        for spec in tables.iter().flat_map(|table| table.iter()) {
            if spec.family == family {
                entry(&mut page, spec)?;
            }
        }
    }
    Ok(page)
}

fn entry(page: &mut String, spec: &FnSpec) -> fmt::Result {
    write!(page, "\n### {}\n\n```sql\n", spec.title())?;
    for overload in spec.overloads {
        writeln!(page, "{} -> {}", form(spec, overload), result(overload))?;
    }
    write!(page, "```\n\n{}", spec.summary)?;
    if !spec.notes.is_empty() {
        write!(page, " {}", spec.notes)?;
    }
    page.push_str("\n\n| argument | | |\n|---|---|---|\n");
    let mut seen: Vec<(&str, Kind)> = Vec::new();
    for arg in spec
        .overloads
        .iter()
        .flat_map(|overload| overload.args.iter().chain(overload.rest))
    {
        if !seen.contains(&(arg.name, arg.kind)) {
            seen.push((arg.name, arg.kind));
            writeln!(page, "| `{}` | {} | {} |", arg.name, arg.kind, argument_line(arg))?;
        }
    }
    if seen.is_empty() {
        // A function without arguments needs no table.
        page.truncate(page.len() - "| argument | | |\n|---|---|---|\n".len());
    }
    if !spec.aliases.is_empty() {
        write!(page, "\nAlso: `{}`.\n", spec.aliases.join("`, `"))?;
    }
    page.push_str("\n```sql\n");
    for example in spec.examples {
        writeln!(page, "SELECT {};  -- {}", example.sql, example.result)?;
    }
    write!(page, "```\n\n*{}*\n", spec.reference)
}

fn result(overload: &Overload) -> String {
    match overload.returns.unit {
        Some(unit) => format!("{} [{unit}]", overload.returns.kind),
        None => overload.returns.kind.to_string(),
    }
}

fn argument_line(arg: &Arg) -> String {
    let mut parts = Vec::new();
    if let Some(unit) = arg.unit {
        parts.push(unit.to_owned());
    }
    match arg.domain {
        Domain::Any => {}
        Domain::Finite => parts.push("finite".to_owned()),
        Domain::Within { low, high } => parts.push(format!("{low} to {high}")),
    }
    if let Some(meaning) = arg.null {
        parts.push(format!("NULL: {meaning}"));
    }
    parts.join("; ")
}
