//! What is written down of users, and what they may set.

use std::time::Duration;

use dreyer::{Config, Database};
use serde_json::Value;

use super::users::Guarded;

/// The lines of the log, once there are so many.
async fn lines(file: &std::path::Path, number: usize) -> Vec<Value> {
    for _ in 0..100 {
        let text = std::fs::read_to_string(file).unwrap();
        if text.lines().count() >= number {
            return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", std::fs::read_to_string(file).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_what_is_written_down_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let mut config = Config::default();
    config.audit.file = Some(file.clone());
    let guarded = Guarded::with(config).await;
    guarded
        .psql("ada", "SELECT hip FROM hipparcos LIMIT 7; SELECT nope")
        .await;
    guarded.psql("ada", "SELEC 1").await;
    guarded.psql("ada", "ALTER USER nobody PASSWORD 'Canary1'").await;
    guarded
        .psql(
            "ada",
            "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/x' OPTIONS ('aws.secret_access_key' 'Canary2')",
        )
        .await;
    guarded.psql_with("ada", "Canary3", "SELECT 1").await;
    guarded.server.psql(
        &["-d", &format!("host=127.0.0.1 port={} user=ada password=ada-word dbname=dreyer", guarded.server.address.port())],
        "\\set FETCH_COUNT 3\nSET statement_timeout = '50ms';\nSELECT count(*) FROM hipparcos a, hipparcos b WHERE sin(a.ra * b.dec) > 2;\n",
    ).await;
    let lines = lines(&file, 13).await;
    let text = format!("{lines:?}");
    assert!(!text.contains("Canary") && text.contains("***"), "{text}");
    let find = |what: &str| -> &Value {
        let found = lines
            .iter()
            .find(|line| line["statement"].as_str().is_some_and(|text| text.contains(what)));
        found.unwrap_or_else(|| panic!("no {what} in {text}"))
    };
    let asked = find("LIMIT 7");
    assert_eq!(
        (&asked["outcome"], &asked["rows"], &asked["user"]),
        (&"00000".into(), &7.into(), &"ada".into())
    );
    assert_eq!(asked["database"], "dreyer");
    assert!(asked["address"].as_str().unwrap().starts_with("127.0.0.1:") && asked["pid"].is_i64());
    assert!(asked["time"].as_str().unwrap().ends_with('Z') && asked["seconds"].as_f64().unwrap() > 0.0);
    let failed: Vec<_> = lines.iter().filter(|line| line["outcome"] == "42703").collect();
    assert_eq!(failed.len(), 1, "{text}");
    assert_eq!(find("SELEC 1")["outcome"], "42601");
    let logins: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "login")
        .map(|line| &line["outcome"])
        .collect();
    assert_eq!(
        logins.iter().filter(|outcome| **outcome == "28P01").count(),
        1,
        "{logins:?}"
    );
    assert!(
        logins.iter().filter(|outcome| **outcome == "00000").count() >= 5,
        "{logins:?}"
    );
    // What is shown of running statements is shown without them too.
    let shown = guarded
        .psql(
            "root",
            "SELECT query FROM pg_stat_activity WHERE query LIKE '%PASSWORD ''Canary4''%'",
        )
        .await;
    assert!(!shown.contains("Canary4"), "{shown}");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

/// What a client of a server may set of the engine.
const MAY_BE_SET: [&str; 5] = [
    "dreyer.",
    "datafusion.execution.batch_size",
    "datafusion.execution.target_partitions",
    "datafusion.execution.time_zone",
    "datafusion.explain.",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_process_can_be_set_by_a_client() {
    let database = Database::open(Config::default()).await.unwrap();
    let session = database.session();
    let known = session.context().copied_config().options().entries();
    let mut keys: Vec<String> = known.into_iter().map(|entry| entry.key).collect();
    // Those of the runtime are known to SET alone.
    for key in [
        "memory_limit",
        "max_temp_directory_size",
        "temp_directory",
        "metadata_cache_limit",
        "list_files_cache_limit",
        "list_files_cache_ttl",
        "file_statistics_cache_limit",
    ] {
        keys.push(format!("datafusion.runtime.{key}"));
    }
    assert!(keys.len() > 100, "{}", keys.len());
    for key in keys {
        let allowed = MAY_BE_SET
            .iter()
            .any(|may| key == *may || (may.ends_with('.') && key.starts_with(may)));
        for text in [
            format!("SET {key} = '1'"),
            format!("SET {key} TO 1"),
            format!("RESET {key}"),
        ] {
            let code = match session.parse(&text) {
                Ok(statements) => session.plan(&statements[0]).await.err().map(|error| error.sqlstate()),
                Err(error) => Some(error.sqlstate()),
            };
            assert!(
                allowed || code.is_some_and(|code| ["25006", "42601", "42704"].contains(&code)),
                "{text}: {code:?}"
            );
        }
    }
    let server = super::Server::start().await;
    for name in [
        "datafusion.runtime.memory_limit",
        "datafusion.runtime.temp_directory",
        "datafusion.catalog.location",
    ] {
        for text in [
            format!("SET {name} = '1G'"),
            format!("SET LOCAL {name} = '1G'"),
            format!("SET SESSION {name} TO '1G'"),
            format!("SELECT set_config('{name}', '1G', false)"),
            format!("RESET {name}"),
        ] {
            let said = server.psql(&["-v", "VERBOSITY=sqlstate", "-At"], &text).await;
            assert!(said.contains("ERROR"), "{text}: {said}");
        }
    }
}
