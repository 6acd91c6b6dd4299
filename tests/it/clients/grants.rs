//! Roles, grants and views over tables that their readers do not see.

use dreyer::{Config, UserConfig, WriteConfig};

use super::users::Guarded;

/// A server on which `root` may grant, `ada` writes in a schema of her own, and `eve` reads.
pub(super) async fn guarded() -> (Guarded, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| Some(folder.path().join(name).to_str().unwrap().to_owned());
    let ada = UserConfig {
        name: "ada".to_owned(),
        write: WriteConfig::Own(true),
        external: None,
    };
    let config = Config {
        writable: path("root"),
        state: path("state"),
        users: vec![ada],
        ..Config::default()
    };
    let guarded = Guarded::with(config).await;
    guarded.add("eve", &[]);
    (guarded, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_decide_what_there_is() {
    let (guarded, _folder) = guarded().await;
    assert_eq!(guarded.server.python("grants.py").await, "ok\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_grants_and_lists() {
    let (guarded, _folder) = guarded().await;
    let done = guarded
        .psql(
            "root",
            "REVOKE pg_read_all_data FROM PUBLIC; GRANT SELECT ON gaia_bright TO eve, ada",
        )
        .await;
    assert_eq!(done, "REVOKE\nGRANT\n");
    let script = "\\dt\n\\d hipparcos\n\\d gaia_bright\nSELECT count(*) FROM gaia_bright;\n";
    let address = guarded.server.address;
    let line = format!(
        "host={} port={} user=eve password=eve-word dbname=dreyer",
        address.ip(),
        address.port()
    );
    let shown = guarded.server.psql(&["-d", &line], script).await;
    assert!(shown.contains("gaia_bright") && shown.contains("56483"), "{shown}");
    assert!(
        shown.contains("Did not find any relation named \"hipparcos\""),
        "{shown}"
    );
    assert!(!shown.contains("hpmag"), "{shown}");
    // The file says the same to people, and a server that is started later reads it.
    let text = std::fs::read_to_string(guarded.file()).unwrap();
    assert!(text.contains("\"gaia_bright\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_hidden_tables_are_hidden_too() {
    let (guarded, folder) = guarded().await;
    let place = folder.path().join("root/ada/mine");
    let made = guarded
        .psql(
            "ada",
            "CREATE TABLE mine AS SELECT hip, ra, dec FROM hipparcos LIMIT 10",
        )
        .await;
    assert!(made.contains("SELECT 10"), "{made}");
    let external = format!("CREATE EXTERNAL TABLE x STORED AS HATS LOCATION '{}'", place.display());
    assert_eq!(guarded.psql("ada", &external).await, "CREATE EXTERNAL TABLE\n");
    guarded.psql("root", "REVOKE pg_read_all_data FROM PUBLIC").await;
    let refused = guarded.psql("ada", &external).await;
    assert!(refused.contains("42501"), "{refused}");
    assert_eq!(guarded.psql("ada", "SELECT count(*) FROM mine").await, "10\n");
    assert!(
        guarded
            .psql("eve", "SELECT count(*) FROM ada.mine")
            .await
            .contains("42P01")
    );
    assert!(
        guarded
            .psql("eve", &format!("SELECT * FROM '{}'", place.display()))
            .await
            .contains("42501")
    );
}
