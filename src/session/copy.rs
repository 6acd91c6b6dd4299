//! How numbers are written by COPY TO a Parquet file.
//!
//! Measured numbers hardly ever repeat: a dictionary of them costs most of the time of writing and makes the file larger.
//! Pairs of two catalogues, 22 columns, 2.5 M rows: 9.6 s and 350 MB with dictionaries, 3.0 s and 247 MB without any.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::LogicalPlan;

/// The option for all columns, and the beginning of that for one.
const DICTIONARY: &str = "format.dictionary_enabled";

/// The plan with no dictionaries for columns of numbers that hardly repeat, unless the statement says otherwise.
pub(super) fn without_dictionaries(mut plan: LogicalPlan) -> LogicalPlan {
    let LogicalPlan::Copy(copy) = &mut plan else {
        return plan;
    };
    if copy.file_type.get_ext() != "parquet" || copy.options.keys().any(|key| key.starts_with(DICTIONARY)) {
        return plan;
    }
    let hardly_repeats = |kind: &DataType| kind.is_floating() || matches!(kind, DataType::Int64 | DataType::UInt64);
    for field in copy.input.schema().fields() {
        if hardly_repeats(field.data_type()) {
            let key = format!("{DICTIONARY}::{}", field.name());
            copy.options.insert(key, "false".to_owned());
        }
    }
    plan
}
