//! The command line: a contract. Every test runs the program itself.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn dreyer(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dreyer"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn demo_shows_the_match_and_how_to_connect() {
    let text = stdout(&dreyer(&["demo"]));
    for part in [
        "hipparcos",
        "gaia_bright",
        "Alioth",
        "psql -h 127.0.0.1 -p 5433 -U dreyer dreyer",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn formats() {
    let sql = "SELECT TOP 2 hip, hpmag, NULL AS nothing FROM hipparcos ORDER BY hpmag";
    insta::assert_snapshot!(stdout(&dreyer(&["sql", "-c", sql])), @r"
      hip  |  hpmag  | nothing
    -------+---------+---------
     32349 | -1.0876 |
     30438 | -0.5536 |
    (2 rows)
    ");
    insta::assert_snapshot!(stdout(&dreyer(&["sql", "-c", sql, "--format", "csv"])), @r"
    hip,hpmag,nothing
    32349,-1.0876,
    30438,-0.5536,
    ");
    insta::assert_snapshot!(stdout(&dreyer(&["sql", "-c", sql, "--format", "json"])), @r#"
    [
    {"hip":32349,"hpmag":-1.0876,"nothing":null},
    {"hip":30438,"hpmag":-0.5536,"nothing":null}
    ]
    "#);
}

#[test]
fn several_statements_run_in_order_up_to_the_first_that_fails() {
    let output = dreyer(&[
        "sql",
        "-c",
        "CREATE VIEW v AS SELECT 1 AS a; SELECT a FROM v; SELECT b FROM v; SELECT 3 AS c",
    ]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(
        text.starts_with("CREATE VIEW\n") && text.contains("(1 row)") && !text.contains(" c"),
        "{text}"
    );
    insta::assert_snapshot!(stderr(&output), @r#"
    ERROR:  column "b" does not exist
    LINE 1: CREATE VIEW v AS SELECT 1 AS a; SELECT a FROM v; SELECT b FROM v; SELECT 3 AS c
                                                                    ^
    HINT:  Did you mean "a"?
    "#);
}

#[test]
fn files_and_pipes_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("query.sql");
    fs::write(&file, "-- a comment\nSELECT 40 + 2 AS answer;\n").unwrap();
    assert_eq!(
        stdout(&dreyer(&["sql", "-f", file.to_str().unwrap(), "--format", "csv"])),
        "answer\n42\n"
    );

    let mut child = Command::new(env!("CARGO_BIN_EXE_dreyer"))
        .args(["sql", "--format", "csv", "--dialect", "adql"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"SELECT ROUND(LOG(10), 3) AS e")
        .unwrap();
    assert_eq!(stdout(&child.wait_with_output().unwrap()), "e\n2.303\n");
}

#[test]
fn errors_go_to_stderr_with_a_hint() {
    insta::assert_snapshot!(stderr(&dreyer(&["sql", "-c", "SELECT *\nFROM hiparcos"])), @r#"
    ERROR:  relation "hiparcos" does not exist
    LINE 2: FROM hiparcos
                 ^~~~~~~~
    HINT:  Did you mean "hipparcos"?
    "#);
    insta::assert_snapshot!(stderr(&dreyer(&["sql", "/no/such/root", "-c", "SELECT 1"])), @r"
    ERROR:  cannot open the root /no/such/root: No such file or directory (os error 2)
    HINT:  A root is a directory with HATS catalogues in it. Without one, the sample sky is opened.
    ");
    insta::assert_snapshot!(stderr(&dreyer(&["sql", "-f", "/no/such.sql"])), @r"ERROR:  cannot read /no/such.sql: No such file or directory (os error 2)");
}

#[test]
fn a_root_without_a_catalogue_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let text = stderr(&dreyer(&["sql", folder.path().to_str().unwrap(), "-c", "SELECT 1"]));
    assert!(
        text.contains("no HATS catalogue and no table file under") && text.contains("dreyer import"),
        "{text}"
    );
}

/// Five stars, two of them at the poles.
fn write_stars(path: &Path) {
    fs::write(
        path,
        "id,RA_deg,dec_deg,name\n1,0.0,90.0,N\n2,10.5,-90.0,S\n3,359.999,0.0,\n4,0.001,0.0,wrap\n5,180,45,\"a, b\"\n",
    )
    .unwrap();
}

#[test]
fn an_imported_catalogue_is_a_table_and_one_folder_deeper_a_schema() {
    let folder = tempfile::tempdir().unwrap();
    let (input, root) = (folder.path().join("stars.csv"), folder.path().join("sky"));
    write_stars(&input);
    let (input, root) = (input.to_str().unwrap(), root.to_str().unwrap());
    let columns = ["--ra", "RA_deg", "--dec", "dec_deg"];
    let output = dreyer(&[&["import", input, "--into", root, "--name", "stars"], &columns[..]].concat());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "progress is for terminals");
    stdout(&output);
    let deeper = format!("{root}/survey");
    stdout(&dreyer(
        &[&["import", input, "--into", &deeper, "--name", "deep"], &columns[..]].concat(),
    ));

    let csv = |sql: &str| stdout(&dreyer(&["sql", root, "--format", "csv", "-c", sql]));
    assert_eq!(
        csv("SELECT COUNT(*) AS n, COUNT(name) AS names FROM stars"),
        "n,names\n5,4\n"
    );
    assert_eq!(
        csv("SELECT id FROM survey.deep WHERE DISTANCE(ra_deg, dec_deg, 0, 0) < 0.01 ORDER BY id"),
        "id\n3\n4\n"
    );

    let again = dreyer(&[&["import", input, "--into", root, "--name", "stars"], &columns[..]].concat());
    assert!(stderr(&again).contains("stars"));
    let wrong = dreyer(&[
        "import", input, "--into", root, "--name", "other", "--ra", "nope", "--dec", "dec_deg",
    ]);
    assert!(stderr(&wrong).contains("nope"));
}

#[test]
fn serve_prints_the_line_to_type_and_drains_on_sigterm() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dreyer"))
        .args(["serve", "--pg", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(
        line.contains("psql -h 127.0.0.1 -p ") && line.trim_end().ends_with("-U dreyer dreyer"),
        "{line}"
    );
    let killed = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_taken_address_is_an_error_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = stderr(&dreyer(&["serve", "--pg", &address]));
    assert!(text.contains("cannot listen on") && text.contains("--pg"), "{text}");
}

#[test]
fn tables_of_the_shell_last_and_leftovers_are_found_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (root, state) = (path("root"), path("state"));
    let sql = |text: &str| {
        dreyer(&[
            "sql",
            "--writable",
            &root,
            "--state",
            &state,
            "--format",
            "csv",
            "-c",
            text,
        ])
    };
    let make = "CREATE TABLE near AS SELECT hip, ra, dec FROM hipparcos WHERE parallax > 300; \
                INSERT INTO near VALUES (0, 1.0, 2.0); CREATE VIEW seen AS SELECT * FROM near WHERE hip = 0";
    assert_eq!(stdout(&sql(make)), "");
    assert_eq!(stdout(&sql("SELECT ra FROM seen")), "ra\n1.0\n");
    assert_eq!(stdout(&sql("SELECT ra FROM dreyer.seen")), "ra\n1.0\n");

    let leftover = folder.path().join("root/dreyer/near/s-0123456789abcdef0123456789ab");
    let kept = |name: &str| fs::read_dir(folder.path().join(name)).unwrap().count();
    fs::create_dir_all(leftover.join("dataset")).unwrap();
    fs::write(leftover.join("dataset/x.parquet"), "half").unwrap();
    let before = kept("root/dreyer/near");
    let text = stdout(&dreyer(&["vacuum", &root, "--grace", "0", "--dry-run"]));
    assert!(text.contains("would merge") && text.contains("would remove"), "{text}");
    assert_eq!(kept("root/dreyer/near"), before, "a dry run touches nothing");
    let text = stdout(&dreyer(&["vacuum", &root, "--grace", "0"]));
    assert!(text.contains("merged") && text.contains("removed"), "{text}");
    assert!(!leftover.exists());
    let text = stdout(&dreyer(&["vacuum", &root]));
    assert!(text.starts_with("1 tables; 0 leftovers"), "{text}");
    assert_eq!(stdout(&sql("SELECT COUNT(*) AS n FROM near WHERE hip = 0")), "n\n1\n");
}
