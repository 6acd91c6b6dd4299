//! Tests: files that were cut off or damaged give an error or rows, never a panic, and in bounded time and memory.

use std::io::{BufRead, BufReader, Cursor};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
};

use crate::ecsv::EcsvReader;
use crate::fits::{FitsReader, Table, fixture};
use crate::votable::{Serialization, VotableReader, VotableWriter};
use crate::{FormatError, Result};

/// Rows of a file, at most so many: a damaged count must not keep a test for ever.
const ROWS: usize = 10_000;

fn count(batches: impl Iterator<Item = Result<RecordBatch>>) -> Result<usize> {
    let mut rows = 0;
    for batch in batches {
        rows += batch?.num_rows();
        if rows > ROWS {
            break;
        }
    }
    Ok(rows)
}

fn fits(bytes: &[u8]) -> Result<usize> {
    count(FitsReader::open(Cursor::new(bytes), Table::First)?)
}

/// In small pieces, so that every boundary falls somewhere.
fn pieces(bytes: &[u8]) -> impl BufRead {
    BufReader::with_capacity(61, bytes)
}

fn votable(bytes: &[u8]) -> Result<usize> {
    count(VotableReader::open(pieces(bytes))?)
}

fn ecsv(bytes: &[u8]) -> Result<usize> {
    count(EcsvReader::open(pieces(bytes))?)
}

fn document(serialization: Serialization) -> Vec<u8> {
    let mut lists = ListBuilder::new(Float64Array::builder(0));
    lists.append_value([Some(1.0), None]);
    lists.append_null();
    lists.append_value([]);
    let mut names = ListBuilder::new(StringBuilder::new());
    (0..3).for_each(|_| names.append_value([Some("é")]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("a", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("c", Arc::new(StringArray::from(vec![Some("é <&>"), None, Some("")]))),
        ("d", Arc::new(lists.finish())),
        ("e", Arc::new(names.finish())),
    ];
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = VotableWriter::new(Vec::new(), batch.schema(), serialization, Some("t"), None);
    writer.write(&batch).unwrap();
    writer.finish().unwrap()
}

/// With fields that the writer never writes.
const BINARY: &str = r#"<?xml version="1.0"?>
<VOTABLE version="1.1"><RESOURCE><INFO name="x" value="y"/><TABLE name="t">
<FIELD name="bit" datatype="bit"/><FIELD name="bits" datatype="bit" arraysize="3"/>
<FIELD name="char" datatype="char" arraysize="2x*"/><FIELD name="wide" datatype="unicodeChar" arraysize="*"/>
<FIELD name="short" datatype="short"><DESCRIPTION>some &amp; more</DESCRIPTION><VALUES null="-1"/></FIELD>
<DATA><BINARY><STREAM encoding="base64">
gKAAAAACYWJjZAAAAAIAYQDp//8AYAAAAAAAAAAAAAE=
</STREAM></BINARY></DATA></TABLE></RESOURCE></VOTABLE>
"#;

const ECSV: &str = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: a, unit: deg, datatype: float64, description: 'it''s',\n\
    #   meta: !!omap [{ucd: pos}]}\n# - name: b c\n#   datatype: string\n#   subtype: int64[2,null]\n# - {name: d, datatype: complex128}\n\
    # - {name: e, datatype: string, subtype: 'string[2]'}\n# meta: &x {k: [1, 2]}\na,b c,d,e\n1.5,\"[[1,2],[null]]\",(1-2j),\"[\"\"x\"\",\n\"\"y\"\"]\"\n,,,\n";

/// Cuts at every place, then turns bits at every place.
fn damaged(whole: &[u8], cut_step: usize, flip_step: usize) -> impl Iterator<Item = Vec<u8>> {
    let cuts = (0..whole.len())
        .step_by(cut_step)
        .map(|length| whole[..length].to_vec());
    let flips = (0..whole.len()).step_by(flip_step).flat_map(move |at| {
        [1_u8, 1 << 3, 1 << 7, 0xff].map(|bits| {
            let mut bytes = whole.to_vec();
            bytes[at] ^= bits;
            bytes
        })
    });
    cuts.chain(flips)
}

fn survive(name: &str, whole: &[u8], steps: (usize, usize), rows: usize, read: fn(&[u8]) -> Result<usize>) {
    assert_eq!(read(whole).unwrap(), rows, "{name}");
    let (mut read_anyway, mut errors) = (0, 0);
    for bytes in damaged(whole, steps.0, steps.1) {
        match read(&bytes) {
            Ok(_) => read_anyway += 1,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                errors += 1;
            }
        }
    }
    assert!(
        errors > 20 && read_anyway > 20,
        "{name}: {errors} errors, {read_anyway} read anyway"
    );
}

#[test]
fn damaged_fits_files_are_survived() {
    survive("FITS", &fixture::everything(), (97, 41), 5, fits);
}

#[test]
#[ignore = "every byte of the file: half a minute unoptimised"]
fn every_damaged_fits_file_is_survived() {
    survive("FITS", &fixture::everything(), (1, 1), 5, fits);
}

#[test]
fn damaged_votables_are_survived() {
    survive("TABLEDATA", &document(Serialization::TableData), (1, 1), 3, votable);
    survive("BINARY2", &document(Serialization::Binary2), (1, 1), 3, votable);
    survive("BINARY", BINARY.as_bytes(), (1, 1), 2, votable);
}

#[test]
fn damaged_ecsv_files_are_survived() {
    survive("ECSV", ECSV.as_bytes(), (1, 1), 2, ecsv);
}

/// Two pieces of the same file put together at all places.
#[test]
fn spliced_texts_are_survived() {
    for (whole, read) in [
        (
            document(Serialization::TableData),
            votable as fn(&[u8]) -> Result<usize>,
        ),
        (BINARY.into(), votable),
        (ECSV.into(), ecsv),
    ] {
        for from in (0..whole.len()).step_by(23) {
            for to in (0..whole.len()).step_by(29) {
                let _ = read(&[&whole[..from], &whole[to..]].concat());
            }
        }
    }
}

#[test]
fn a_count_in_a_stream_allocates_nothing() {
    let field = r#"<VOTABLE><RESOURCE><TABLE><FIELD name="x" datatype="double" arraysize="*"/><DATA><BINARY><STREAM>"#;
    for (stream, fault) in [
        ("/////w==", "too large"),
        ("AP///w==", "ends within row 1"),
        ("AAA=", "ends within row 1"),
    ] {
        let message =
            votable(format!("{field}{stream}</STREAM></BINARY></DATA></TABLE></RESOURCE></VOTABLE>").as_bytes());
        let message = message.unwrap_err().to_string();
        assert!(message.contains(fault), "{message}");
    }
}

#[test]
fn large_arrays_of_null_make_small_batches() {
    let rows = "<TR><TD/></TR>".repeat(40);
    let text = format!(
        r#"<VOTABLE><RESOURCE><TABLE><FIELD name="x" datatype="short" arraysize="100000"/><DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"#
    );
    let reader = VotableReader::open(text.as_bytes()).unwrap();
    let sizes: Vec<_> = reader.map(|batch| batch.unwrap().num_rows()).collect();
    assert!(sizes.len() > 1 && sizes.iter().sum::<usize>() == 40, "{sizes:?}");
}

#[test]
fn deep_and_long_documents_end() {
    let deep = format!("<VOTABLE>{}", "<GROUP>".repeat(100));
    assert!(votable(deep.as_bytes()).unwrap_err().to_string().contains("nested"));
    let attributes = format!("<VOTABLE><RESOURCE><TABLE><FIELD {}/>", "a='b' ".repeat(1000));
    assert!(
        votable(attributes.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("attributes")
    );
    let fields = format!(
        "<VOTABLE><RESOURCE><TABLE>{}",
        "<FIELD name='x' datatype='int'/>".repeat(20_000)
    );
    assert!(votable(fields.as_bytes()).unwrap_err().to_string().contains("fields"));
    let doctype = "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><VOTABLE>&a;</VOTABLE>";
    assert!(votable(doctype.as_bytes()).unwrap_err().to_string().contains("DOCTYPE"));
}

/// A text without end, as an endless reader gives it.
#[test]
fn an_endless_text_ends() {
    struct Endless(&'static [u8], &'static [u8]);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let available = self.fill_buf()?;
            let length = available.len().min(buffer.len());
            buffer[..length].copy_from_slice(&available[..length]);
            self.consume(length);
            Ok(length)
        }
    }
    impl BufRead for Endless {
        fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
            Ok(if self.0.is_empty() { self.1 } else { self.0 })
        }
        fn consume(&mut self, length: usize) {
            if !self.0.is_empty() {
                self.0 = &self.0[length..];
            }
        }
    }
    let more: &[u8] = &[b'x'; 1 << 16];
    for start in [&b"<VOTABLE><RESOURCE>"[..], b"<VOTABLE><!--"] {
        let error = VotableReader::open(Endless(start, more)).unwrap_err();
        assert!(matches!(error, FormatError::Byte { .. }), "{error:?}");
    }
    for start in [
        &b"# %ECSV 1.0\n# "[..],
        b"# %ECSV 1.0\n# datatype:\n# - {name: a, datatype: string}\na\n\"",
    ] {
        let error = EcsvReader::open(Endless(start, more)).and_then(count).unwrap_err();
        assert!(matches!(error, FormatError::Line { .. }), "{error:?}");
    }
}
