//! Functions as rows: those of this project with names, types and summaries from their tables, those of the engine
//! with what their signatures say.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::execution::SessionState;
use datafusion::logical_expr::type_coercion::functions::{UDFCoercionExt, fields_with_udf};
use datafusion::logical_expr::{Documentation, ScalarUDF, Signature, Volatility};
use dreyer_sky::kernel::{FnSpec, spec_of};
use pgwire::api::Type;

use super::super::encode::{arrow_type, pg_type};
use super::oid::{Kind, Oids};
use super::snapshot::{Argument, Routine};
use crate::DEFAULT_SCHEMA;

/// Forms of one of the engine's functions that are listed; some can be called in hundreds.
const FORMS: usize = 12;

/// All functions of a session, by name.
pub(super) fn all(state: &SessionState, oids: &mut Oids, schema_oid: impl Fn(&str) -> u32) -> Vec<Routine> {
    let mut routines = Vec::new();
    for (name, function) in state.scalar_functions() {
        match spec_of(function) {
            Some(spec) => routines.extend(ours(name, spec)),
            None => routines.extend(scalar(name, function)),
        }
    }
    for (name, function) in state.aggregate_functions() {
        let returns = |types: &[DataType]| function.return_type(types).ok();
        let form = Form {
            name,
            kind: "a",
            signature: function.signature(),
            documentation: function.documentation(),
        };
        routines.extend(engines(&form, function.as_ref(), returns));
    }
    for (name, function) in state.window_functions() {
        if !state.aggregate_functions().contains_key(name) {
            let form = Form {
                name,
                kind: "w",
                signature: function.signature(),
                documentation: function.documentation(),
            };
            routines.extend(engines(&form, function.as_ref(), |_| None));
        }
    }
    routines.sort_by(|a, b| (&a.name, &a.arguments.len()).cmp(&(&b.name, &b.arguments.len())));
    for routine in &mut routines {
        let types: Vec<&str> = routine.arguments.iter().map(|argument| argument.kind.name()).collect();
        let mut name = vec![routine.schema, &routine.name, routine.kind];
        name.extend(types);
        routine.oid = oids.of(Kind::Routine, &name);
        routine.schema_oid = schema_oid(routine.schema);
    }
    routines
}

/// A routine whose numbers are still to be given.
fn routine(name: &str, kind: &'static str, arguments: Vec<Argument>, returns: Type) -> Routine {
    Routine {
        oid: 0,
        schema_oid: 0,
        schema: "pg_catalog",
        name: name.to_owned(),
        kind,
        volatility: "i",
        variadic: false,
        arguments,
        returns,
        comment: None,
    }
}

/// A routine for each form that a function of this project can be called in.
fn ours<'a>(name: &'a str, spec: &'static FnSpec) -> impl Iterator<Item = Routine> + 'a {
    spec.overloads.iter().map(move |form| {
        let arguments = form.args.iter().chain(form.rest).map(|argument| Argument {
            name: argument.name.to_owned(),
            kind: shown(&argument.kind.data_type()),
        });
        Routine {
            schema: DEFAULT_SCHEMA,
            volatility: volatility(spec.volatility),
            variadic: !form.rest.is_empty(),
            comment: Some(spec.summary.to_owned()),
            ..routine(name, "f", arguments.collect(), shown(&form.returns.kind.data_type()))
        }
    })
}

fn scalar(name: &str, function: &ScalarUDF) -> Vec<Routine> {
    let returns = |types: &[DataType]| function.return_type(types).ok();
    let form = Form {
        name,
        kind: "f",
        signature: function.signature(),
        documentation: function.documentation(),
    };
    engines(&form, function, returns)
}

/// A function of the engine, of whatever kind.
struct Form<'a> {
    name: &'a str,
    kind: &'static str,
    signature: &'a Signature,
    documentation: Option<&'a Documentation>,
}

/// Whether the function takes arguments of these types, once they are those that values of PostgreSQL's types have.
fn takes<F: UDFCoercionExt>(function: &F, arguments: &[Argument]) -> bool {
    let field = |argument: &Argument| -> FieldRef { Arc::new(Field::new("", arrow_type(&argument.kind), true)) };
    let fields: Vec<FieldRef> = arguments.iter().map(field).collect();
    fields.is_empty() || fields_with_udf(&fields, function).is_ok()
}

/// The forms that a signature shows examples of; if none, a form that takes anything.
fn engines<F: UDFCoercionExt>(
    form: &Form<'_>,
    function: &F,
    returns: impl Fn(&[DataType]) -> Option<DataType>,
) -> Vec<Routine> {
    let Form {
        name,
        kind,
        signature,
        documentation,
    } = *form;
    let mut seen = BTreeSet::new();
    let mut forms = Vec::new();
    for types in signature.type_signature.get_example_types() {
        let arguments: Vec<Argument> = types
            .iter()
            .map(|data_type| Argument {
                name: String::new(),
                kind: shown(data_type),
            })
            .collect();
        let names: Vec<&str> = arguments.iter().map(|argument| argument.kind.name()).collect();
        if forms.len() < FORMS && takes(function, &arguments) && seen.insert(names.join(",")) {
            let returns = returns(&types).map_or(Type::ANYELEMENT, |data_type| shown(&data_type));
            forms.push(routine(name, kind, arguments, returns));
        }
    }
    if forms.is_empty() {
        let anything = vec![Argument {
            name: String::new(),
            kind: Type::ANY,
        }];
        forms.push(Routine {
            variadic: true,
            ..routine(name, kind, anything, Type::ANYELEMENT)
        });
    }
    for form in &mut forms {
        form.volatility = volatility(signature.volatility);
        form.comment = documentation.map(|documentation| documentation.description.trim().to_owned());
    }
    forms
}

fn shown(data_type: &DataType) -> Type {
    pg_type(&Field::new("", data_type.clone(), true))
}

fn volatility(volatility: Volatility) -> &'static str {
    match volatility {
        Volatility::Immutable => "i",
        Volatility::Stable => "s",
        Volatility::Volatile => "v",
    }
}
