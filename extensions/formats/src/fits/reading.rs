//! Tests of reading whole files: values, choice of the table, files that are not what they claim.

use std::io::Cursor;

use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::util::pretty::pretty_format_batches;

use super::fixture::{everything, header, primary, table};
use super::{FitsReader, Table};
use crate::{FormatError, Result};

fn open(bytes: &[u8], table: Table) -> Result<FitsReader<Cursor<&[u8]>>> {
    FitsReader::open(Cursor::new(bytes), table)
}

fn read(bytes: &[u8], batch_rows: usize) -> Result<RecordBatch> {
    let reader = open(bytes, Table::First)?.with_batch_rows(batch_rows);
    let schema = reader.schema();
    Ok(concat_batches(&schema, &reader.collect::<Result<Vec<_>>>()?)?)
}

fn fault(bytes: &[u8]) -> String {
    read(bytes, 10).unwrap_err().to_string()
}

#[test]
fn every_form_is_read() {
    let bytes = everything();
    let batch = read(&bytes, 10).unwrap();
    let types: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| field.data_type().to_string())
        .collect();
    let expected = [
        "Boolean",
        "FixedSizeList(11 x Boolean)",
        "Int8",
        "Float64",
        "Int32",
        "UInt64",
        "Float32",
        "Float64",
        "FixedSizeList(2 x Float32)",
        "Utf8",
        "FixedSizeList(2 x Int32)",
        "List(Float32)",
        "Utf8",
        "List(Boolean)",
        "FixedSizeList(2 x Utf8)",
        "Boolean",
        "List(Boolean)",
    ];
    assert_eq!(types, expected);
    let projected = |columns: &[usize]| {
        pretty_format_batches(&[batch.project(columns).unwrap()])
            .unwrap()
            .to_string()
    };
    let numbers = projected(&[0, 2, 3, 4, 5, 6, 7, 9]);
    let expected = "\
+-------+------+------+----+---------------------+-----+-----+------+
| c1    | c3   | c4   | c5 | c6                  | c7  | c8  | c10  |
+-------+------+------+----+---------------------+-----+-----+------+
| true  | -128 | 10.0 | -2 | 9223372036854775808 | 0.0 | 0.0 | ab   |
| false | -127 | 10.5 |    | 9223372036854775809 | 0.5 | 1.0 | a    |
|       | -126 | 11.0 | 0  | 9223372036854775810 | 1.0 | 2.0 |      |
| false | -125 | 11.5 | 1  | 9223372036854775811 | 1.5 |     |      |
| true  | -124 | 12.0 | 2  | 9223372036854775812 | 2.0 | 4.0 | abcd |
+-------+------+------+----+---------------------+-----+-----+------+";
    assert_eq!(numbers, expected);
    assert!(
        batch.column(9).is_null(2) && batch.column(9).is_valid(3),
        "blanks are an empty text"
    );
    assert_eq!(batch.column(15).null_count(), 5);
    let arrays = projected(&[8, 10, 11, 12, 13, 14]);
    let expected = "\
+------------+--------+----------------------+-----+---------------+----------+
| c9         | c11    | c12                  | c13 | c14           | c15      |
+------------+--------+----------------------+-----+---------------+----------+
| [0.0, 1.5] | [0, 9] | []                   | xyz | [true, false] | [one, 2] |
| [1.0, 1.5] | [1, 9] | [0.0]                | xyz | [true, false] | [one, 2] |
| [2.0, 1.5] | [2, 9] | [0.0, 1.0]           | xyz | [true, false] | [one, 2] |
| [3.0, 1.5] | [3, 9] | [0.0, 1.0, 2.0]      | xyz | [true, false] | [one, 2] |
| [4.0, 1.5] | [4, 9] | [0.0, 1.0, 2.0, 3.0] | xyz | [true, false] | [one, 2] |
+------------+--------+----------------------+-----+---------------+----------+";
    assert_eq!(arrays, expected);
    for batch_rows in [1, 2, 4] {
        assert_eq!(read(&bytes, batch_rows).unwrap(), batch, "{batch_rows} rows a batch");
    }
}

#[test]
fn metadata_come_from_keywords() {
    let batch = read(&everything(), 10).unwrap();
    let schema = batch.schema();
    let metadata = schema.field(7).metadata();
    let expected = [
        ("unit", "deg"),
        ("ucd", "pos.eq.ra"),
        ("utype", "a:b"),
        ("description", "where it is"),
        ("display", "F8.3"),
    ];
    assert_eq!(metadata.len(), expected.len());
    for (key, value) in expected {
        assert_eq!(metadata[key], value);
    }
}

#[test]
fn columns_and_rows_are_chosen() {
    let bytes = everything();
    let whole = read(&bytes, 10).unwrap();
    let reader = open(&bytes, Table::First)
        .unwrap()
        .with_projection(vec![12, 0])
        .unwrap()
        .with_rows(1..4);
    assert_eq!(reader.rows(), 5);
    let batches: Vec<_> = reader.with_batch_rows(2).map(Result::unwrap).collect();
    let expected = whole.project(&[12, 0]).unwrap();
    assert_eq!(batches, [expected.slice(1, 2), expected.slice(3, 1)]);
    let reader = open(&bytes, Table::First).unwrap().with_projection(vec![]).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).collect::<Vec<_>>(), [5]);
    assert!(open(&bytes, Table::First).unwrap().with_projection(vec![17]).is_err());
}

#[test]
fn tables_are_found_by_name_or_number() {
    let other = table(&["J"], &["EXTNAME = 'Other'"], 4, &7_i32.to_be_bytes(), &[]);
    let compressed = table(&["PB"], &["ZIMAGE  = T"], 8, &[0; 8], &[]);
    let bytes = [primary(), compressed, other, everything()[primary().len()..].to_vec()].concat();
    let rows = |table| open(&bytes, table).map(|reader| reader.rows());
    assert_eq!(rows(Table::First).unwrap(), 1);
    assert_eq!(rows(Table::Named("stars".to_owned())).unwrap(), 5);
    assert_eq!(rows(Table::Hdu(3)).unwrap(), 5);
    let missing = rows(Table::Named("galaxies".to_owned())).unwrap_err();
    assert!(matches!(&missing, FormatError::Absent(text) if text.contains("galaxies") && text.contains("Stars")));
    assert!(rows(Table::Hdu(9)).is_err());
    assert!(rows(Table::Hdu(0)).unwrap_err().to_string().contains("IMAGE"));
    assert!(
        rows(Table::Hdu(1))
            .unwrap_err()
            .to_string()
            .contains("compressed image")
    );
}

#[test]
fn files_of_other_kinds_are_refused_with_advice() {
    assert!(fault(b"").contains("FITS"));
    assert!(fault(&[0x1f; 4000]).contains("no FITS file"));
    assert!(fault(&[&[0x1f, 0x8b][..], &[0; 4000]].concat()).contains("gzip"));
    let ascii = [
        "XTENSION= 'TABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 0",
        "NAXIS2  = 0",
    ];
    assert!(fault(&[primary(), header(&ascii.map(str::to_owned))].concat()).contains("ASCII tables"));
    assert!(fault(&primary()).contains("no binary table"));
}

#[test]
fn a_file_that_is_cut_off_names_the_row_and_the_byte() {
    let start = primary().len() + 2880;
    let whole = [primary(), table(&["K"], &[], 8, &[0; 8 * 1000], &[])].concat();
    let message = fault(&whole[..start + 8 * 10 + 3]);
    assert_eq!(
        message,
        format!(
            "byte {}: row 11 of 1000 is cut off: the header claims rows of 8 bytes up to byte {}, the file ends at {}",
            start + 80,
            start + 8000,
            start + 83,
        )
    );
    // The filling of the last block may be missing.
    assert_eq!(read(&whole[..start + 8000], 999).unwrap().num_rows(), 1000);
}

#[test]
fn sizes_that_no_file_holds_are_refused() {
    for (name, card) in [
        ("NAXIS1", "NAXIS1  = 9223372036854775807"),
        ("NAXIS1", "NAXIS1  = -8"),
        ("NAXIS2", "NAXIS2  = 9223372036854775807"),
        ("NAXIS2", "NAXIS2  = 4611686018427387904"),
        ("PCOUNT", "PCOUNT  = 9223372036854775807"),
        ("PCOUNT", "PCOUNT  = 2147483647"),
        ("GCOUNT", "GCOUNT  = 9223372036854775807"),
        ("TFIELDS", "TFIELDS = 1000"),
        ("TFIELDS", "TFIELDS = 18446744073709551615"),
        ("TFORM1", "TFORM1  = '999999999K'"),
        ("TFORM1", "TFORM1  = '9223372036854775807M'"),
        ("TFORM1", "TFORM1  = '9223372036854775807X'"),
        ("TFORM1", "TFORM1  = 'Z'"),
        ("TNULL1", "TNULL1  = 'x'"),
        ("TSCAL1", "TSCAL1  = 1E999"),
        ("THEAP", "THEAP   = 9223372036854775807"),
        ("THEAP", "THEAP   = 3"),
    ] {
        let bytes = [primary(), table(&["K"], &[], 8, &[0; 80], &[])].concat();
        let position = |wanted: &str| {
            bytes
                .windows(wanted.len())
                .rposition(|found| found == wanted.as_bytes())
        };
        // Over the card of that name, or over the end of the header.
        let at = position(&format!("{name:<8}="))
            .filter(|at| *at > primary().len())
            .unwrap_or_else(|| position("END   ").unwrap());
        let mut bytes = bytes;
        bytes[at..at + 80].copy_from_slice(format!("{card:<80}").as_bytes());
        if name.starts_with("TN") || name.starts_with("TS") || name == "THEAP" {
            bytes[at + 80..at + 83].copy_from_slice(b"END");
        }
        assert!(read(&bytes, 100).is_err(), "{card}");
    }
}

#[test]
fn descriptors_that_point_outside_the_heap_are_refused() {
    for (count, offset) in [(1, 8), (2, 4), (-1, 0), (1, -1), (i32::MAX, 0), (1, i32::MAX)] {
        let descriptor = [count.to_be_bytes(), offset.to_be_bytes()].concat();
        let message = fault(&[primary(), table(&["PJ"], &[], 8, &descriptor, &[0; 8])].concat());
        assert!(
            message.contains("row 1, column \"c1\"") && message.contains("heap of 8 bytes"),
            "{message}"
        );
    }
    for (count, offset) in [(i64::MAX, 0), (1, i64::MAX), (i64::MAX / 4, 8)] {
        let descriptor = [count.to_be_bytes(), offset.to_be_bytes()].concat();
        assert!(
            fault(&[primary(), table(&["QM"], &[], 16, &descriptor, &[0; 8])].concat()).contains("outside the heap")
        );
    }
}

/// Rows may all point at the same large array: batches must stay small.
#[test]
fn shared_arrays_do_not_fill_the_memory() {
    let heap = vec![1; 12 << 20];
    let descriptor = [(12_i32 << 20).to_be_bytes(), 0_i32.to_be_bytes()].concat();
    let bytes = [primary(), table(&["PB"], &[], 8, &descriptor.repeat(8), &heap)].concat();
    let sizes: Vec<_> = open(&bytes, Table::First)
        .unwrap()
        .map(|batch| batch.unwrap().num_rows())
        .collect();
    assert_eq!(sizes, [2, 2, 2, 2]);
    let wide = [primary(), table(&["PB"; 8], &[], 64, &descriptor.repeat(8), &heap)].concat();
    assert!(fault(&wide).contains("of a heap of"));
}

#[test]
fn heaps_may_lie_behind_a_gap_and_arrays_in_any_order() {
    let descriptors = [[2_i32, 8], [0, 77], [2, 0], [1, 4]].concat();
    let rows: Vec<u8> = descriptors.iter().flat_map(|number| number.to_be_bytes()).collect();
    let heap: Vec<u8> = [99_i32, 0, 1, 2, 3]
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect();
    let bytes = [primary(), table(&["1PJ(2)"], &["THEAP   = 36"], 8, &rows, &heap)].concat();
    let text = pretty_format_batches(&[read(&bytes, 10).unwrap()]).unwrap().to_string();
    let cells: Vec<_> = text
        .lines()
        .filter(|line| line.contains('['))
        .map(|line| line.trim_matches(['|', ' ']))
        .collect();
    assert_eq!(cells, ["[2, 3]", "[]", "[0, 1]", "[1]"]);
}

#[test]
fn an_illegal_truth_value_is_named() {
    let bytes = [primary(), table(&["2L"], &[], 2, b"TFTFTx", &[])].concat();
    let message = read(&bytes, 2).unwrap_err().to_string();
    assert_eq!(message, "row 3, column \"c1\": byte 0x78 is neither T, F nor NUL");
}
