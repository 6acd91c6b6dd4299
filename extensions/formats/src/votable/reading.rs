//! Tests of reading documents made by hand: values, NULL, other people's spellings, faults with their place.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::util::pretty::pretty_format_batches;

use super::VotableReader;
use crate::{FormatError, Result};

fn read(document: &str) -> Result<RecordBatch> {
    let reader = VotableReader::open(document.as_bytes())?.with_batch_rows(2);
    let schema = reader.schema();
    Ok(concat_batches(&schema, &reader.collect::<Result<Vec<_>>>()?)?)
}

fn fault(document: &str) -> String {
    read(document).unwrap_err().to_string()
}

/// A document around fields and data.
fn table(fields: &str, data: &str) -> String {
    format!("<VOTABLE><RESOURCE><TABLE>{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>")
}

fn drawn(batch: &RecordBatch) -> String {
    pretty_format_batches(std::slice::from_ref(batch)).unwrap().to_string()
}

#[test]
fn cells_of_every_kind_are_read() {
    let document = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<v:VOTABLE xmlns:v="http://www.ivoa.net/xml/VOTable/v1.3" version="1.3"><v:DESCRIPTION>not of a field</v:DESCRIPTION>
<v:RESOURCE type="meta"><v:TABLE><v:FIELD name="other" datatype="int"/></v:TABLE></v:RESOURCE>
<v:RESOURCE type="results"><v:INFO name="QUERY_STATUS" value="OK"/>
<v:TABLE><v:PARAM name="p" datatype="int" value="1"><v:VALUES null="7"/></v:PARAM>
<v:FIELD name="i" datatype="int" ucd="meta.id"><v:VALUES null="-99"/></v:FIELD>
<v:FIELD name="f" datatype="double" unit="mas/yr"/><v:FIELD ID="b" datatype="boolean"/>
<v:FIELD name="t" datatype="char" arraysize="*" xtype="timestamp"/><v:FIELD name="v" datatype="float" arraysize="*"/>
<v:FIELD name="p" datatype="int" arraysize="2x2"/><v:FIELD name="bits" datatype="bit" arraysize="3"/>
<v:FIELD name="c" datatype="doubleComplex"/><v:FIELD name="n" datatype="char" arraysize="3x2"/>
<v:DATA><v:TABLEDATA>
<v:TR><v:TD>-99</v:TD><v:TD>+Inf</v:TD><v:TD>true</v:TD><v:TD>a&lt;b &#233;<![CDATA[&]]></v:TD><v:TD>1 NaN 3e2</v:TD>
 <v:TD>1 2 3 -99</v:TD><v:TD>101</v:TD><v:TD>1.5 -2</v:TD><v:TD>ab cde</v:TD></v:TR>
<v:TR><v:TD>0x10</v:TD><v:TD> 1.5 </v:TD><v:TD>?</v:TD><v:TD> a </v:TD><v:TD/><v:TD/><v:TD>1 1 0</v:TD><v:TD/><v:TD>abc</v:TD></v:TR>
<v:TR><v:TD></v:TD><v:TD>NaN</v:TD><v:TD>0</v:TD><v:TD/><v:TD>7</v:TD><v:TD>4 3 2 1</v:TD><v:TD/><v:TD>0 0</v:TD><v:TD/></v:TR>
</v:TABLEDATA></v:DATA></v:TABLE></v:RESOURCE></v:VOTABLE>"#;
    let batch = read(document).unwrap();
    let drawn = drawn(&batch);
    let rows: Vec<Vec<&str>> = drawn
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(rows[0], ["i", "f", "b", "t", "v", "p", "bits", "c", "n"]);
    assert_eq!(
        rows[1],
        [
            "inf",
            "true",
            "a<b é&",
            "[1.0, , 300.0]",
            "[[1, 2], [3, -99]]",
            "[true, false, true]",
            "[1.5, -2.0]",
            "[ab, cde]"
        ]
    );
    assert_eq!(rows[2], ["16", "1.5", "a", "[true, true, false]", "[abc, ]"]);
    assert_eq!(rows[3], ["false", "[7.0]", "[[4, 3], [2, 1]]", "[0.0, 0.0]"]);
    let schema = batch.schema();
    assert_eq!(schema.field(0).metadata()["ucd"], "meta.id");
    assert_eq!(schema.field(1).metadata()["unit"], "mas/yr");
    assert_eq!(schema.field(3).metadata()["xtype"], "timestamp");
    assert_eq!(schema.field(4).metadata()["arraysize"], "*");
}

/// Rows of: flags, an int, a text of two characters, an array of shorts.
#[test]
fn binary_rows_are_read() {
    let fields = "<FIELD name='i' datatype='int'/><FIELD name='t' datatype='char' arraysize='2'/>\
        <FIELD name='a' datatype='short' arraysize='*'/>";
    let row = |number: u8| [&[0, 0, 0, number][..], b"a\0", &[0, 0, 0, 1, 0, number]].concat();
    let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let plain = encode(&[row(1), row(2), row(3)].concat());
    let broken = plain
        .as_bytes()
        .chunks(7)
        .map(|line| format!("{}\n", String::from_utf8_lossy(line)))
        .collect::<String>();
    for text in [&plain, plain.trim_end_matches('='), &broken] {
        let data = format!("<BINARY><STREAM encoding='base64'>{text}</STREAM></BINARY>");
        let batch = read(&table(fields, &data)).unwrap();
        let expected = "\
+---+---+-----+
| i | t | a   |
+---+---+-----+
| 1 | a | [1] |
| 2 | a | [2] |
| 3 | a | [3] |
+---+---+-----+";
        assert_eq!(drawn(&batch), expected);
    }
    let flagged = encode(&[&[0b1110_0000][..], &row(1), &[0b0100_0000], &row(2), &[0], &row(3)].concat());
    let batch = read(&table(
        fields,
        &format!("<BINARY2><STREAM encoding='base64'>{flagged}</STREAM></BINARY2>"),
    ))
    .unwrap();
    let expected = "\
+---+---+-----+
| i | t | a   |
+---+---+-----+
|   |   |     |
| 2 |   | [2] |
| 3 | a | [3] |
+---+---+-----+";
    assert_eq!(drawn(&batch), expected);
}

#[test]
fn columns_are_chosen_and_latin_letters_understood() {
    let document = table(
        "<FIELD name='a' datatype='int'/><FIELD name='b' datatype='char' arraysize='*'/>",
        "<TABLEDATA><TR><TD>not looked at</TD><TD>\u{e9}</TD></TR></TABLEDATA>",
    );
    let declaration = "<?xml version='1.0' encoding='ISO-8859-1'?>";
    let latin: Vec<u8> = format!("{declaration}{document}")
        .chars()
        .map(|letter| u8::try_from(letter).unwrap())
        .collect();
    let mut reader = VotableReader::open(latin.as_slice())
        .unwrap()
        .with_projection(vec![1])
        .unwrap();
    assert_eq!(
        drawn(&reader.next().unwrap().unwrap()),
        "+---+\n| b |\n+---+\n| é |\n+---+"
    );
    assert!(reader.next().is_none());
    assert!(
        VotableReader::open(&latin[declaration.len()..])
            .unwrap()
            .last()
            .unwrap()
            .is_err(),
        "the same bytes are no UTF-8"
    );
}

#[test]
fn tables_without_rows_have_their_columns() {
    let field = "<FIELD name='a' datatype='int'/>";
    for document in [
        format!("<VOTABLE><RESOURCE><TABLE>{field}</TABLE></RESOURCE></VOTABLE>"),
        table(field, "<TABLEDATA/>"),
        table(field, "<TABLEDATA></TABLEDATA>"),
        table(field, "<BINARY2><STREAM encoding='base64'></STREAM></BINARY2>"),
        table(field, "<BINARY2><STREAM encoding='base64'/></BINARY2>"),
    ] {
        let batch = read(&document).unwrap_or_else(|error| panic!("{document}: {error}"));
        assert_eq!((batch.num_rows(), batch.num_columns()), (0, 1), "{document}");
    }
    let nothing = read("<VOTABLE><RESOURCE/></VOTABLE>").unwrap_err();
    assert!(matches!(nothing, FormatError::Absent(_)), "{nothing}");
}

#[test]
fn error_reports_are_errors_wherever_they_stand() {
    let report = "<INFO name='QUERY_STATUS' value='ERROR'>No such table: &lt;x&gt;</INFO>";
    let early = fault(&format!(
        "<VOTABLE><RESOURCE type='results'>{report}</RESOURCE></VOTABLE>"
    ));
    assert_eq!(early, "the file is an error report, not a table: No such table: <x>");
    let rows = "<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>";
    let whole = table("<FIELD name='a' datatype='int'/>", rows);
    let late = whole.replace("</RESOURCE>", &format!("{report}</RESOURCE>"));
    assert_eq!(fault(&late), early);
    assert_eq!(
        read(&whole.replace(
            "</RESOURCE>",
            &format!("{}</RESOURCE>", report.replace("ERROR", "OVERFLOW"))
        ))
        .unwrap()
        .num_rows(),
        1
    );
}

#[test]
fn faults_say_where_and_what() {
    let rows = |rows: &str| {
        let fields = "<FIELD name='a' datatype='short'/><FIELD name='b' datatype='int' arraysize='2'/>";
        fault(&table(
            fields,
            &format!("<TABLEDATA><TR><TD>1</TD><TD>1 2</TD></TR>{rows}</TABLEDATA>"),
        ))
    };
    assert_eq!(
        rows("<TR><TD>99999</TD><TD/></TR>"),
        "row 2, column \"a\": \"99999\" is no integer of 16 bits"
    );
    assert_eq!(
        rows("<TR><TD>1</TD><TD>1 2 3</TD></TR>"),
        "row 2, column \"b\": an array of 3 elements, not 2"
    );
    assert_eq!(
        rows("<TR><TD>1</TD></TR>"),
        "row 2, column \"b\": the row has only 1 cells (TD)"
    );
    assert!(rows("<TR><TD/><TD/><TD/></TR>").contains("more cells"));
    assert!(rows("<TR><TD>1</TD><XX/></TR>").contains("expected a TD"));
    assert!(rows("<TR><TD>&unknown;</TD></TR>").contains("entity"));
    assert!(rows("<TR><TD>1</TR>").contains("not well-formed"));
    assert!(fault(&table("<FIELD name='a' datatype='text'/>", "")).contains("column \"a\": datatype \"text\""));
    assert!(fault(&table("<FIELD name='a' datatype='int'/>", "<FITS/>")).contains("FITS"));
    let elsewhere = "<BINARY><STREAM href='http://x/y'/></BINARY>";
    assert!(fault(&table("<FIELD name='a' datatype='int'/>", elsewhere)).contains("http://x/y"));
    assert!(
        fault(&table(
            "<FIELD name='a' datatype='int'/>",
            "<BINARY><STREAM>AA!A</STREAM></BINARY>"
        ))
        .contains("base64")
    );
    assert!(fault("<html><body/></html>").contains("no VOTable"));
    assert!(fault("not XML").contains("no TABLE"));
}
