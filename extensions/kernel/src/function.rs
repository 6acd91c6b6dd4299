//! The one `ScalarUDFImpl` behind every row of every function table.
//!
//! Coercion happens here, not in the planner: `coerce_types` takes the types as they are, so that plans keep bare
//! columns where the planners of tiles and cross-matches look for them, and an unfit call becomes our own error instead
//! of a sentence glued together from signatures. The overloads still stand in the signature, for `SHOW FUNCTIONS`.
//!
//! Constants are judged at planning time. `simplify` runs the kernel over no rows with the constants of the call: what
//! it finds fault with is an error there and then. A call that passes and reads columns is replaced by its lenient twin,
//! which can only ever answer NULL. Without the twin a file whose column holds one single bad value, which the Parquet
//! reader hands over as a constant, would fail the query.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, new_empty_array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use crate::column::Column;
use crate::error::Reading;
use crate::resolve::resolve;
use crate::{Arg, Call, Domain, Fault, FnSpec, FunctionError, Kind, Overload, reference};

/// The function that a row of a table describes.
#[derive(Debug)]
pub struct TableFunction {
    spec: &'static FnSpec,
    lenient: bool,
    signature: Signature,
    aliases: Vec<String>,
    documentation: Documentation,
}

impl FnSpec {
    /// The function this row describes, to be registered.
    #[must_use]
    pub fn udf(&'static self) -> ScalarUDF {
        ScalarUDF::new_from_impl(TableFunction::new(self, false))
    }
}

/// The functions of several tables, to be registered.
#[must_use]
pub fn functions(tables: &[&'static [FnSpec]]) -> Vec<Arc<ScalarUDF>> {
    tables
        .iter()
        .flat_map(|table| table.iter())
        .map(|spec| Arc::new(spec.udf()))
        .collect()
}

/// The row behind a function, if it comes from a table: how planners recognise what a call means.
#[must_use]
pub fn spec_of(udf: &ScalarUDF) -> Option<&'static FnSpec> {
    udf.inner()
        .downcast_ref::<TableFunction>()
        .map(|function| function.spec)
}

impl TableFunction {
    fn new(spec: &'static FnSpec, lenient: bool) -> Self {
        Self {
            spec,
            lenient,
            signature: signature(spec),
            aliases: spec.aliases.iter().map(|&alias| alias.to_owned()).collect(),
            documentation: reference::documentation(spec),
        }
    }

    /// Runs the kernel over `args`. `strict`: constants that are unfit are errors, not NULLs.
    fn run(&self, args: &[ColumnarValue], rows: usize, strict: bool) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.iter().map(ColumnarValue::data_type).collect();
        let (overload, kinds) = resolve(self.spec, &types)?;
        let columns = args
            .iter()
            .zip(kinds)
            .map(|(arg, kind)| Column::new(arg, kind))
            .collect::<Result<Vec<_>>>()?;
        let scalar = self.spec.volatility != Volatility::Volatile && columns.iter().all(|column| column.constant);
        let rows = if scalar { 1 } else { rows };

        let mut nulls = None;
        for (at, column) in columns.iter().enumerate() {
            let Some(arg) = overload.arg(at) else { continue };
            match row_nulls(column, arg) {
                RowNulls::Some(of_column) => {
                    nulls = NullBuffer::union(nulls.as_ref(), of_column.as_ref());
                }
                RowNulls::AllNull => return null(overload),
                RowNulls::Unfit if strict => {
                    return Err(self.fault(overload, &outside(at, arg, &column.shown())).into());
                }
                RowNulls::Unfit => return null(overload),
            }
        }

        let call = Call {
            columns: &columns,
            rows,
            nulls,
            strict,
        };
        let array = (overload.kernel)(&call).map_err(|fault| self.fault(overload, &fault))?;
        if array.len() != rows || *array.data_type() != overload.returns.kind.data_type() {
            return Err(FunctionError::Broken {
                function: self.spec.name.to_owned(),
                message: format!(
                    "promised {rows} rows of {}, gave {} of {}",
                    overload.returns.kind.data_type(),
                    array.len(),
                    array.data_type()
                ),
            }
            .into());
        }
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
        } else {
            ColumnarValue::Array(array)
        })
    }

    fn fault(&self, overload: &Overload, fault: &Fault) -> FunctionError {
        let title = self.spec.title();
        let argument = fault.argument.and_then(|at| overload.arg(at));
        let message = match (fault.reading, argument) {
            (Reading::Predicate, Some(arg)) => format!("{title} {} {}", arg.name, fault.message),
            (Reading::Predicate, None) => format!("{title} {}", fault.message),
            _ if fault.message.starts_with(&title) => fault.message.clone(),
            _ => format!("{title}: {}", fault.message),
        };
        FunctionError::Argument {
            function: self.spec.name.to_owned(),
            argument: fault.argument,
            message,
            hint: fault
                .hint
                .clone()
                .or_else(|| argument.and_then(|arg| arg.hint).map(str::to_owned)),
        }
    }
}

impl ScalarUDFImpl for TableFunction {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(resolve(self.spec, arg_types)?.0.returns.kind.data_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let returns = resolve(self.spec, &types)?.0.returns;
        let metadata = [("unit", returns.unit), ("ucd", returns.ucd), ("xtype", returns.xtype)]
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
            .collect();
        let field = Field::new(self.spec.name, returns.kind.data_type(), true);
        Ok(Arc::new(field.with_metadata(metadata)))
    }

    fn is_strict(&self) -> bool {
        self.spec
            .overloads
            .iter()
            .all(|o| o.args.iter().all(|arg| arg.null.is_none()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.run(&args.args, args.number_rows, !self.lenient)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let reads_columns = args.iter().any(Expr::any_column_refs);
        let all_literal = args.iter().all(|arg| matches!(arg, Expr::Literal(..)));
        if self.lenient || !(reads_columns || all_literal) {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let values = args
            .iter()
            .map(|arg| match arg {
                Expr::Literal(value, _) => Ok(ColumnarValue::Scalar(value.clone())),
                arg => Ok(ColumnarValue::Array(new_empty_array(&info.get_data_type(arg)?))),
            })
            .collect::<Result<Vec<_>>>()?;
        self.run(&values, 0, true)?;
        if !reads_columns {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let twin = Arc::new(ScalarUDF::new_from_impl(Self::new(self.spec, true)));
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(
            ScalarFunction::new_udf(twin, args),
        )))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

impl PartialEq for TableFunction {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.spec, other.spec) && self.lenient == other.lenient
    }
}

impl Eq for TableFunction {}

impl Hash for TableFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
        self.lenient.hash(state);
    }
}

/// All overloads, behind a first member that lets every call through to `return_field_from_args`.
fn signature(spec: &FnSpec) -> Signature {
    let mut members = vec![TypeSignature::UserDefined, TypeSignature::Nullary];
    for overload in spec.overloads.iter().filter(|overload| !overload.args.is_empty()) {
        members.extend(layouts(overload.args).into_iter().map(TypeSignature::Exact));
    }
    Signature::one_of(members, spec.volatility)
}

/// The Arrow types of every combination of members of the arguments' kinds.
fn layouts(args: &[Arg]) -> Vec<Vec<DataType>> {
    args.iter().fold(vec![Vec::new()], |rows, arg| {
        rows.iter()
            .flat_map(|row| {
                arg.kind.members().map(move |kind: Kind| {
                    let mut row = row.clone();
                    row.push(kind.data_type());
                    row
                })
            })
            .collect()
    })
}

enum RowNulls {
    Some(Option<NullBuffer>),
    AllNull,
    Unfit,
}

/// Which rows of the result this argument makes NULL: those where it is NULL without meaning or outside its domain.
fn row_nulls(column: &Column, arg: &Arg) -> RowNulls {
    let refused = match arg.domain {
        Domain::Any => None,
        domain => column.refused(|value| domain.admits(value)),
    };
    if !column.constant {
        let own = if arg.null.is_some() { None } else { column.nulls.clone() };
        return RowNulls::Some(NullBuffer::union(own.as_ref(), refused.as_ref()));
    }
    if column.is_null(0) {
        return if arg.null.is_some() {
            RowNulls::Some(None)
        } else {
            RowNulls::AllNull
        };
    }
    if refused.is_some() {
        RowNulls::Unfit
    } else {
        RowNulls::Some(None)
    }
}

/// The fault of a number outside the domain of its argument.
fn outside(at: usize, arg: &Arg, value: &str) -> Fault {
    let unit = arg.unit_words();
    Fault::argument(
        at,
        match arg.domain {
            Domain::Within { low, high } => {
                format!("must lie in [{low}, {high}]{unit}, got {value}")
            }
            Domain::Any | Domain::Finite => format!("must be finite, got {value}"),
        },
    )
}

fn null(overload: &Overload) -> Result<ColumnarValue> {
    let value = ScalarValue::try_from(&overload.returns.kind.data_type())?;
    Ok(ColumnarValue::Scalar(value))
}
