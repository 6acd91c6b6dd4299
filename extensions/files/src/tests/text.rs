//! Text files: what becomes of hard values, and what is refused.

use std::collections::HashMap;

use super::*;
use crate::FileOptions;

async fn opened(text: &[u8], options: &FileOptions) -> Result<(tempfile::TempDir, SessionContext), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, text).unwrap();
    let context = session();
    let table = crate::open_location(&context.state(), path.to_str().unwrap(), options).await;
    context
        .register_table("t", table.map_err(|error| error.to_string())?)
        .unwrap();
    Ok((folder, context))
}

async fn types(text: &str) -> Vec<DataType> {
    let (_folder, context) = opened(text.as_bytes(), &FileOptions::default()).await.unwrap();
    let table = context.table_provider("t").await.unwrap();
    table
        .schema()
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect()
}

async fn all(text: &str) -> Result<Vec<String>, String> {
    let (_folder, context) = opened(text.as_bytes(), &FileOptions::default()).await?;
    rows(&context, "SELECT * FROM t").await
}

#[tokio::test]
async fn identifiers_survive() {
    use DataType::{Int64, UInt64, Utf8View};
    let text = "a,b,c,d\n\
        9223372036854775807,9223372036854775808,18446744073709551616,1234567890123456789\n\
        -1,1,2,0.5\n";
    assert_eq!(types(text).await, [Int64, UInt64, Utf8View, Utf8View]);
    assert_eq!(
        all(text).await.unwrap(),
        [
            "|-1|1|2|0.5|",
            "|9223372036854775807|9223372036854775808|18446744073709551616|1234567890123456789|"
        ]
    );
}

#[tokio::test]
async fn words_for_null_and_nan() {
    let text = "i,f,b,s\n1,1.5,true,x\n,,,\nNULL,null,Null,NULL\nNaN,nan,NaN,NaN\n 2 , 2.5 , false ,\" y \"\n";
    use DataType::{Boolean, Float64, Int64, Utf8View};
    assert_eq!(types(text).await, [Int64, Float64, Boolean, Utf8View]);
    let (_folder, context) = opened(text.as_bytes(), &FileOptions::default()).await.unwrap();
    let found = rows(&context, "SELECT i, f, b, '<' || s || '>' FROM t").await.unwrap();
    assert_eq!(
        found,
        [
            "|1|1.5|true|<x>|",
            "|2|2.5|false|< y >|",
            "||NaN||<NaN>|",
            "|||||",
            "|||||"
        ]
    );
    let options = FileOptions::from_words(&HashMap::from([("null_words".to_owned(), "--,99".to_owned())])).unwrap();
    let (_folder, context) = opened(b"i\n99\n--\n7\n", &options).await.unwrap();
    assert_eq!(
        rows(&context, "SELECT sum(i), count(*) FROM t").await.unwrap(),
        ["|7|3|"]
    );
}

#[tokio::test]
async fn values_that_do_not_fit_are_told_with_their_line() {
    let mut options = FileOptions {
        inference_rows: 2,
        ..FileOptions::default()
    };
    for (tail, said) in [
        ("x,1\n", "column 'i' holds 'x', which is no Int64"),
        ("1.5,1\n", "column 'i' holds '1.5'"),
        ("9223372036854775808,1\n", "column 'i'"),
        ("1,abc\n", "column 'f' holds 'abc', which is no Float64"),
        ("1\n", "1 field, where the first line has 2"),
        ("1,2,3\n", "3 fields"),
    ] {
        let text = format!("i,f\n1,0.5\n\"2\",\"1.5\"\n\n3,3\n{tail}4,4\n");
        let (_folder, context) = match opened(text.as_bytes(), &options).await {
            Ok(opened) => opened,
            // The number of fields is looked at in the sample already.
            Err(error) => {
                assert!(error.contains("x.csv: line 6: ") && error.contains(said), "{error}");
                continue;
            }
        };
        let error = rows(&context, "SELECT * FROM t").await.unwrap_err();
        assert!(error.contains("x.csv: line 6: ") && error.contains(said), "{error}");
    }
    options.types = HashMap::from([("i".to_owned(), DataType::Utf8View)]);
    let (_folder, context) = opened(b"i,f\n1,2\n2,3\n3,4\nx,5\n", &options).await.unwrap();
    assert_eq!(rows(&context, "SELECT i FROM t WHERE f = 5").await.unwrap(), ["|x|"]);
    options.types = HashMap::from([("nope".to_owned(), DataType::Utf8View)]);
    let error = opened(b"i,f\n1,2\n", &options).await.err().unwrap();
    assert!(error.contains("nope") && error.contains("i, f"), "{error}");
}

#[tokio::test]
async fn types_are_looked_for_in_the_whole_file() {
    // A column of integers that ends in floats, too far away for the first rows to tell.
    let mut text = "v,w\n".to_owned();
    let row = format!("1,{}\n", "0123456789".repeat(20));
    while text.len() < 3 << 20 {
        text.push_str(&row);
    }
    text.push_str("2.5,x\n");
    let options = FileOptions {
        inference_rows: 10,
        ..FileOptions::default()
    };
    let (_folder, context) = opened(text.as_bytes(), &options).await.unwrap();
    assert_eq!(rows(&context, "SELECT max(v) FROM t").await.unwrap(), ["|2.5|"]);
}

#[tokio::test]
async fn chunks_do_not_show() {
    // Several chunks of quoted values with line breaks, in their order.
    let mut text = "n,t\n".to_owned();
    let count = 60_000;
    for n in 0..count {
        text.push_str(&format!("{n},\"a, \"\"{n}\"\"\r\nb{}\"\r\n", "x".repeat(n % 90)));
    }
    let (_folder, context) = opened(text.as_bytes(), &FileOptions::default()).await.unwrap();
    let found = rows(
        &context,
        "SELECT count(*), sum(n), count(DISTINCT t), bool_and(t LIKE 'a, \"' || n || '\"%') FROM t",
    );
    let sum = count * (count - 1) / 2;
    assert_eq!(found.await.unwrap(), [format!("|{count}|{sum}|{count}|true|")]);
    let error = format!("{text}1,\"open\n");
    let error = opened(error.as_bytes(), &FileOptions::default()).await;
    let error = match error {
        Ok((_folder, context)) => rows(&context, "SELECT * FROM t").await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error.contains(&format!("x.csv: line {}:", 2 * count + 2)), "{error}");
}

#[tokio::test]
async fn other_ways_to_write_text() {
    let options = |words: &[(&str, &str)]| {
        let words = words.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        FileOptions::from_words(&words.collect()).unwrap()
    };
    let cases: &[(&[u8], FileOptions, &[&str])] = &[
        (
            b"\xef\xbb\xbfa;b\r\n1;2,5\r\n",
            options(&[("delimiter", ";")]),
            &["|1|2,5|"],
        ),
        (b"1,2\n3,4\n", options(&[("header", "false")]), &["|1|2|", "|3|4|"]),
        (
            b"a,b\n%no\n1,'x,y'\n",
            options(&[("comment", "%"), ("quote", "'")]),
            &["|1|x,y|"],
        ),
        (b"# about\n#a,b\n1,2", options(&[]), &["|1|2|"]),
        (b"a\r1\r2\r", options(&[]), &["|1|", "|2|"]),
    ];
    for (text, options, expected) in cases {
        let (_folder, context) = opened(text, options).await.unwrap();
        assert_eq!(rows(&context, "SELECT * FROM t").await.unwrap(), *expected, "{text:?}");
    }
    for (text, said) in [
        (&b""[..], "empty"),
        (b"\xff\xfea\0", "UTF-16"),
        (b"a\n\xff\n", "line 2: bytes that are not UTF-8"),
        (b"a,a\n1,2\n", "named 'a'"),
    ] {
        let error = opened(text, &FileOptions::default()).await.err().unwrap();
        assert!(error.contains("x.csv: ") && error.contains(said), "{error}");
    }
}
