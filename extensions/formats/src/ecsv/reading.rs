//! Tests of reading texts made by hand: headers in both styles of YAML, arrays, NULL, faults with their line.

use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::util::pretty::pretty_format_batches;

use super::EcsvReader;
use crate::Result;

fn read(text: &str) -> Result<RecordBatch> {
    let reader = EcsvReader::open(text.as_bytes())?.with_batch_rows(2);
    let schema = reader.schema();
    Ok(concat_batches(&schema, &reader.collect::<Result<Vec<_>>>()?)?)
}

fn fault(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

fn drawn(batch: &RecordBatch) -> String {
    pretty_format_batches(std::slice::from_ref(batch)).unwrap().to_string()
}

#[test]
fn types_and_metadata_come_from_the_header() {
    let text = r#"# %ECSV 1.0
# ---
# datatype:
# - {name: ra, unit: deg, datatype: float64, description: 'it''s: here',
#   meta: {ucd: pos.eq.ra}}
# - name: id
#   datatype: uint8
#   unit: !astropy.units.Unit {unit: mag}
#   description: >-
#     folded
#     text
#   meta: !!omap
#   - {utype: 'a:b'}
# - {name: ok, datatype: bool}
# - {name: "two words", datatype: string}
# - {name: z, datatype: complex64}
# meta: !!omap
# - {comments: [a, b]}
# schema: astropy-2.0
ra id ok "two words" z
1.5 7 True "a ""b""
c" (1-2.5j)

nan 255 False x 3j
"" "" "" "" ""
"#;
    let batch = read(text).unwrap();
    let expected = "\
+-----+-----+-------+-----------+-------------+
| ra  | id  | ok    | two words | z           |
+-----+-----+-------+-----------+-------------+
| 1.5 | 7   | true  | a \"b\"     | [1.0, -2.5] |
|     |     |       | c         |             |
| NaN | 255 | false | x         | [0.0, 3.0]  |
|     |     |       |           |             |
+-----+-----+-------+-----------+-------------+";
    assert_eq!(drawn(&batch), expected);
    assert!(
        batch
            .columns()
            .iter()
            .all(|column| column.null_count() == 1 && column.is_null(2))
    );
    let schema = batch.schema();
    let metadata = |index: usize| schema.field(index).metadata();
    assert_eq!(
        (metadata(0)["unit"].as_str(), metadata(0)["ucd"].as_str()),
        ("deg", "pos.eq.ra")
    );
    assert_eq!(metadata(0)["description"], "it's: here");
    assert_eq!(
        (metadata(1)["unit"].as_str(), metadata(1)["utype"].as_str()),
        ("mag", "a:b")
    );
    assert_eq!(metadata(1)["description"], "folded text");
}

#[test]
fn cells_may_hold_arrays() {
    let text = r#"# %ECSV 1.0
# ---
# delimiter: ','
# datatype:
# - {name: v, datatype: string, subtype: 'float64[2]'}
# - {name: m, datatype: string, subtype: 'int64[2,null]'}
# - {name: s, datatype: string, subtype: 'string[null]'}
# - {name: j, datatype: string, subtype: json}
v,m,s,j
"[1, NaN]","[[1],[2, null]]","[""a"", null, ""b""]","{""k"": 1}"
,,[],
"#;
    let batch = read(text).unwrap();
    let expected = "\
+------------+----------------+----------+----------+
| v          | m              | s        | j        |
+------------+----------------+----------+----------+
| [1.0, NaN] | [[1], [2, ]]   | [a, , b] | {\"k\": 1} |
|            |                | []       |          |
+------------+----------------+----------+----------+";
    assert_eq!(
        drawn(&batch).replace(' ', ""),
        expected.replace(' ', "").replace("----------------", "--------------")
    );
    assert!(batch.column(0).is_null(1) && batch.column(1).is_null(1) && batch.column(2).is_valid(1));
}

#[test]
fn columns_are_chosen() {
    let text = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int8}\n# - {name: b, datatype: int8}\na b\nx 1\ny 2\n";
    let mut reader = EcsvReader::open(text.as_bytes())
        .unwrap()
        .with_projection(vec![1])
        .unwrap();
    assert_eq!(
        drawn(&reader.next().unwrap().unwrap()),
        "+---+\n| b |\n+---+\n| 1 |\n| 2 |\n+---+"
    );
    assert!(reader.next().is_none());
}

#[test]
fn faults_say_where_and_what() {
    let table = |column: &str, rows: &str| {
        fault(&format!(
            "# %ECSV 1.0\n# ---\n# datatype:\n# - {{name: a, {column}}}\na\n{rows}"
        ))
    };
    assert_eq!(
        table("datatype: int8", "1\n300\n"),
        "row 2, column \"a\": line 7: \"300\" is no integer of 8 bits"
    );
    assert_eq!(table("datatype: int8", "1 2\n"), "line 6: the row has 2 values, not 1");
    assert!(table("datatype: decimal", "").contains("column \"a\": the datatype \"decimal\""));
    assert!(table("datatype: string, subtype: 'int8[x]'", "").contains("subtype"));
    assert!(table("datatype: string, subtype: 'int8[2]'", "[1]\n").contains("an array of 1 entries, not 2"));
    assert!(table("datatype: string, subtype: 'int8[2]'", "[1,2\n").contains("expected"));
    assert!(table("unit: deg", "").contains("no datatype"));
    assert!(table("datatype: string, subtype: 'int8[99999,99999]'", "").contains("subtype"));
    assert_eq!(
        fault("a,b\n1,2\n"),
        "line 1: this is no ECSV file: its first line is not \"# %ECSV 1.0\""
    );
    assert!(fault("# %ECSV 1.0\n# datatype: [\n").contains("line 2: the file ends before"));
    assert!(fault("# %ECSV 1.0\n# ---\n# datatype: [\na\n").starts_with("line "));
    assert!(fault("# %ECSV 1.0\n# - {name: a, datatype: int8}\na\n").contains("datatype"));
    let names = "# %ECSV 1.0\n# datatype:\n# - {name: a, datatype: int8}\nb\n1\n";
    assert_eq!(
        fault(names),
        "line 4: the names of the columns are not those of the header, in its order"
    );
}
