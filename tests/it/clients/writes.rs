//! Statements that define and write, through the door: psql and psycopg on a server with a writable root.

use dreyer::Config;

use super::Server;

pub(super) fn config(folder: &tempfile::TempDir) -> Config {
    let path = |name: &str| Some(folder.path().join(name).to_str().unwrap().to_owned());
    Config {
        writable: path("root"),
        state: path("state"),
        ..Config::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn psycopg_writes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(config(&folder)).await;
    assert_eq!(server.python("writes.py").await, "ok\n");
    assert!(folder.path().join("root/dreyer/few.csv").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_shows_what_was_made_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(config(&folder)).await;
    let script = "CREATE TABLE near AS SELECT hip, ra FROM hipparcos WHERE parallax > 300;\n\
                  COMMENT ON TABLE near IS 'the nearest';\n\
                  COMMENT ON COLUMN near.hip IS 'number';\n\
                  CREATE VIEW seen AS SELECT * FROM near;\n\
                  \\d+ near\n\\dt+\n\\dv\n\\d+ seen\n\
                  DROP VIEW seen; DROP TABLE near;\n\\dt dreyer.*\n";
    let shown = server.psql(&[], script).await;
    for part in [
        "NOTICE:  table \"dreyer.near\" has no positions",
        "COMMENT\n",
        "CREATE VIEW\n",
        "Table \"dreyer.near\"",
        "number",
        "[deg]",
        "the nearest",
        "View \"dreyer.seen\"",
        "DROP VIEW\n",
        "DROP TABLE\n",
        "Did not find any relation",
    ] {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    assert!(!shown.contains("ERROR"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_without_its_table_hides_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(config(&folder)).await;
    let script = "CREATE TABLE near AS SELECT hip, ra, dec FROM hipparcos WHERE parallax > 300;\n\
                  CREATE VIEW seen AS SELECT * FROM near;\n\
                  DROP TABLE near;\n\
                  \\dt\n\
                  SELECT * FROM seen;\n";
    let shown = server.psql(&[], script).await;
    assert!(shown.contains("hipparcos"), "{shown}");
    assert_eq!(shown.matches("ERROR").count(), 1, "{shown}");
    assert!(
        shown.contains("view dreyer.seen: relation \"dreyer.near\" does not exist"),
        "{shown}"
    );
}
