//! Which overload a call means, from the types of its arguments alone.

use datafusion::arrow::datatypes::DataType;

use crate::{Arg, FnSpec, FunctionError, Kind, Overload};

/// The overload that takes `given` with the least conversion, and the concrete kind of each argument.
pub(crate) fn resolve(
    spec: &'static FnSpec,
    given: &[DataType],
) -> Result<(&'static Overload, Vec<Kind>), FunctionError> {
    let mut best: Option<(u32, &'static Overload, Vec<Kind>)> = None;
    for overload in spec.overloads {
        let Some((cost, kinds)) = fit(overload, given) else {
            continue;
        };
        if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
            best = Some((cost, overload, kinds));
        }
    }
    best.map(|(_, overload, kinds)| (overload, kinds))
        .ok_or_else(|| no_overload(spec, given))
}

fn fit(overload: &Overload, given: &[DataType]) -> Option<(u32, Vec<Kind>)> {
    if !overload.takes(given.len()) {
        return None;
    }
    let mut total = 0;
    let mut kinds = Vec::with_capacity(given.len());
    for (at, given) in given.iter().enumerate() {
        let (kind, cost) = overload.arg(at)?.kind.fit(given)?;
        total += cost;
        kinds.push(kind);
    }
    Some((total, kinds))
}

fn no_overload(spec: &FnSpec, given: &[DataType]) -> FunctionError {
    // The form that goes along furthest shows which argument to point at.
    let goes_along = |overload: &Overload| {
        let fits =
            |(at, given): &(usize, &DataType)| overload.arg(*at).is_some_and(|arg| arg.kind.fit(given).is_some());
        given.iter().enumerate().take_while(fits).count()
    };
    let furthest = spec
        .overloads
        .iter()
        .filter(|o| o.takes(given.len()))
        .map(goes_along)
        .max();
    // Types that begin another form mean that arguments are missing or too many.
    let begins = |form: &Overload| !form.takes(given.len()) && goes_along(form) == given.len();
    let furthest = furthest.filter(|_| !spec.overloads.iter().any(begins));
    let title = spec.title();
    let names: Vec<String> = given.iter().map(type_name).collect();
    let message = match furthest.and_then(|at| names.get(at).map(|name| (at, name))) {
        Some((at, name)) => format!("{title} cannot take {name} as argument {}", at + 1),
        None => format!(
            "{title} cannot be called with {} argument{}",
            given.len(),
            if given.len() == 1 { "" } else { "s" },
        ),
    };
    let forms: Vec<String> = spec.overloads.iter().map(|o| form(spec, o)).collect();
    FunctionError::Signature {
        function: spec.name.to_owned(),
        argument: furthest,
        message,
        hint: Some(format!("use {}", forms.join(" or "))),
    }
}

/// A call of this form as it would be written, with argument names.
pub(crate) fn form(spec: &FnSpec, overload: &Overload) -> String {
    let mut args: Vec<&str> = overload.args.iter().map(|arg: &Arg| arg.name).collect();
    if !overload.rest.is_empty() {
        args.push("...");
    }
    format!("{}({})", spec.title(), args.join(", "))
}

fn type_name(given: &DataType) -> String {
    const PLAIN: [Kind; 5] = [Kind::Number, Kind::BigInt, Kind::Integer, Kind::Text, Kind::Boolean];
    match given {
        DataType::FixedSizeList(item, size) => format!("{size} x {}", type_name(item.data_type())),
        DataType::List(item) | DataType::LargeList(item) => {
            format!("a list of {}", type_name(item.data_type()))
        }
        given => PLAIN
            .iter()
            .find(|kind| kind.fit(given).is_some_and(|(_, cost)| cost == 0))
            .map_or_else(|| given.to_string(), |kind| kind.name().to_owned()),
    }
}
