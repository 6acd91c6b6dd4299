//! Statements that define and write: rights, what lasts, and two at once.

use std::path::Path;
use std::sync::Arc;

use dreyer::{Access, Config, Database, QueryEnd, QueryState, Session, UserConfig, WriteConfig};
use futures::TryStreamExt;

use crate::{batches, done, error, outcome, table, value};

/// A folder with a writable root and a state store, and what opens them.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn config(&self) -> Config {
        Config {
            writable: Some(self.path("root")),
            state: Some(self.path("state")),
            ..Config::default()
        }
    }

    async fn open(&self) -> Arc<Database> {
        Database::open(self.config()).await.unwrap()
    }

    async fn session(&self) -> Session {
        self.open().await.session()
    }
}

fn user(name: &str, write: WriteConfig) -> UserConfig {
    UserConfig {
        name: name.to_owned(),
        write,
        external: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_views_and_comments_outlive_the_process() {
    let home = Home::new();
    let session = home.session().await;
    let other = session.database().session();
    let count = value(&session, "SELECT COUNT(*) FROM hipparcos WHERE parallax > 100").await;
    let create = "CREATE TABLE near AS SELECT hip, ra, dec, parallax FROM hipparcos WHERE parallax > 100";
    assert_eq!(done(&session, create).await, format!("SELECT {count}"));
    assert_eq!(value(&other, "SELECT COUNT(*) FROM near").await, count);
    assert_eq!(
        done(&other, "INSERT INTO near VALUES (0, 1.5, 2.5, 3)").await,
        "INSERT 0 1"
    );
    assert_eq!(
        done(&session, "CREATE VIEW lone AS SELECT ra FROM near WHERE hip = 0").await,
        "CREATE VIEW"
    );
    assert_eq!(value(&other, "SELECT ra FROM lone").await, "1.5");
    for comment in [
        "COMMENT ON TABLE near IS 'within ten parsecs'",
        "COMMENT ON COLUMN near.hip IS 'number in the catalogue'",
        "COMMENT ON VIEW lone IS 'one row'",
    ] {
        assert_eq!(done(&session, comment).await, "COMMENT");
    }
    drop((session, other));

    let session = home.session().await;
    assert_eq!(value(&session, "SELECT COUNT(*) - 1 FROM dreyer.near").await, count);
    assert_eq!(value(&session, "SELECT ra FROM dreyer.lone").await, "1.5");
    let near = batches(&session, "SELECT * FROM near LIMIT 1").await;
    let metadata = |name: &str| near[0].schema().field_with_name(name).unwrap().metadata().clone();
    assert_eq!(metadata("ra").get("unit").map(String::as_str), Some("deg"));
    assert_eq!(
        metadata("hip").get("description").map(String::as_str),
        Some("number in the catalogue")
    );
    assert_eq!(done(&session, "DROP VIEW lone").await, "DROP VIEW");
    assert_eq!(done(&session, "DROP TABLE near").await, "DROP TABLE");

    let session = home.session().await;
    assert_eq!(error(&session, "SELECT * FROM near").await.sqlstate(), "42P01");
    assert_eq!(error(&session, "SELECT * FROM lone").await.sqlstate(), "42P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crossmatch_is_read_back_as_it_was() {
    let home = Home::new();
    let session = home.session().await;
    let query = "SELECT h.hip, g.source_id, h.ra, h.dec, DISTANCE(h.ra, h.dec, g.ra, g.dec) * 3600 AS sep \
                 FROM hipparcos AS h JOIN gaia_bright AS g ON DISTANCE(h.ra, h.dec, g.ra, g.dec) < 1/3600.";
    let made = done(&session, &format!("CREATE TABLE pairs AS {query}")).await;
    assert_eq!(made, "SELECT 30597");
    let sorted = |from: &str| format!("SELECT hip, source_id, ra, dec, sep FROM {from} ORDER BY hip, source_id");
    let before = table(&session, &sorted(&format!("({query}) AS q"))).await;
    let session = home.session().await;
    assert!(table(&session, &sorted("pairs")).await == before, "the rows differ");
    let matched = |from: &str| {
        format!(
            "SELECT COUNT(*) FROM {from} AS p JOIN gaia_bright AS g ON DISTANCE(p.ra, p.dec, g.ra, g.dec) < 1/3600."
        )
    };
    let expected = value(&session, &matched(&format!("({query})"))).await;
    assert_eq!(value(&session, &matched("pairs")).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_those_of_the_configuration() {
    let home = Home::new();
    let config = Config {
        users: vec![
            user("ada", WriteConfig::Own(true)),
            user("eve", WriteConfig::Own(false)),
            user("max", WriteConfig::Schemas(vec!["max".to_owned(), "survey".to_owned()])),
        ],
        ..home.config()
    };
    let database = Database::open(config).await.unwrap();
    let [ada, eve, max, nobody] = ["ada", "eve", "max", "dreyer"].map(|name| database.session_as(name));
    done(&ada, "CREATE TABLE mine AS SELECT 1 AS a").await;
    done(&ada, "CREATE VIEW seen AS SELECT a + 1 AS b FROM mine").await;
    done(
        &max,
        "CREATE TABLE survey.stars AS SELECT 10.0::DOUBLE AS ra, 20.0::DOUBLE AS dec",
    )
    .await;
    done(&max, "CREATE TABLE mine AS SELECT 2 AS a").await;

    // Reading is for everybody; a name means one's own table first, and a view what its maker's did.
    assert_eq!(value(&ada, "SELECT a FROM mine").await, "1");
    assert_eq!(value(&max, "SELECT a FROM mine").await, "2");
    assert_eq!(value(&max, "SELECT b FROM ada.seen").await, "2");
    assert_eq!(value(&eve, "SELECT a FROM ada.mine").await, "1");
    assert_eq!(value(&eve, "SELECT ra FROM survey.stars").await, "10.0");
    assert_eq!(error(&eve, "SELECT a FROM mine").await.sqlstate(), "42P01");

    for (session, sql) in [
        (&eve, "CREATE TABLE mine AS SELECT 1 AS a"),
        (&eve, "CREATE TABLE eve.mine (a INT)"),
        (&eve, "CREATE VIEW v AS SELECT 1 AS a"),
        (&eve, "INSERT INTO ada.mine VALUES (2)"),
        (&eve, "DROP TABLE ada.mine"),
        (&eve, "COMMENT ON TABLE ada.mine IS 'x'"),
        (&eve, "COMMENT ON TABLE hipparcos IS 'x'"),
        (&eve, "COPY (SELECT 1) TO 'x.csv'"),
        (&eve, "CREATE EXTERNAL TABLE e STORED AS HATS LOCATION '/'"),
        (&nobody, "CREATE TABLE mine AS SELECT 1 AS a"),
        (&ada, "CREATE TABLE public.mine AS SELECT 1 AS a"),
        (&ada, "CREATE TABLE max.mine2 AS SELECT 1 AS a"),
        (&ada, "CREATE TABLE information_schema.x AS SELECT 1 AS a"),
        (&ada, "ALTER TABLE mine RENAME TO max.mine2"),
        (&ada, "ALTER TABLE max.mine RENAME TO mine2"),
        (&ada, "VACUUM max.mine"),
        (&ada, "DROP VIEW max.v, ada.seen"),
        (&max, "DROP VIEW ada.seen"),
        (&max, "CREATE OR REPLACE VIEW ada.seen AS SELECT 3 AS b"),
        (&max, "COPY (SELECT 1) TO '/etc/passwd.csv'"),
        (&max, "CREATE EXTERNAL TABLE e STORED AS CSV LOCATION '/etc/passwd'"),
        (
            &max,
            "CREATE EXTERNAL TABLE e STORED AS CSV LOCATION '../../etc/passwd'",
        ),
    ] {
        let error = error(session, sql).await;
        let expected = if sql.contains("max.v") { "42P01" } else { "42501" };
        assert_eq!(error.sqlstate(), expected, "{sql}: {error:?}");
    }
    assert_eq!(error(&ada, "DROP TABLE hipparcos").await.sqlstate(), "42501");
    assert_eq!(value(&ada, "SELECT b FROM seen").await, "2");
    assert_eq!(done(&max, "VACUUM").await, "VACUUM");
}

#[tokio::test]
async fn faults_have_their_place_in_the_text() {
    let home = Home::new();
    let session = home.session().await;
    done(&session, "CREATE TABLE mine AS SELECT 1 AS a").await;
    for (sql, state, position) in [
        ("CREATE TABLE mine (a INT)", "42P07", Some(14)),
        ("DROP TABLE nowhere", "42P01", Some(12)),
        ("INSERT INTO nowhere VALUES (1)", "42P01", Some(13)),
        ("COMMENT ON COLUMN mine.b IS 'x'", "42703", Some(24)),
        ("CREATE TABLE b AS SELECT nope FROM mine", "42703", Some(26)),
        (
            "CREATE TABLE b WITH (ra = 'x', dec = 'a') AS SELECT a FROM mine",
            "42703",
            None,
        ),
    ] {
        let error = error(&session, sql).await;
        assert_eq!(
            (error.sqlstate(), error.position),
            (state, position),
            "{sql}: {error:?}"
        );
    }
}

#[tokio::test]
async fn without_a_writable_root_a_server_only_reads() {
    let home = Home::new();
    let config = Config {
        state: Some(home.path("state")),
        ..Config::default()
    };
    let session = Database::open(config).await.unwrap().session();
    for sql in [
        "CREATE TABLE t AS SELECT 1 AS a",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'x.parquet'",
        "CREATE OR REPLACE TABLE t AS SELECT 1 AS a",
        "INSERT INTO hipparcos (hip) VALUES (1)",
        "DROP TABLE hipparcos",
        "ALTER TABLE hipparcos RENAME TO h",
        "VACUUM",
        "COPY hipparcos TO 'x.parquet'",
        "CREATE EXTERNAL TABLE e STORED AS PARQUET LOCATION '/x.parquet'",
        "DELETE FROM hipparcos",
        "UPDATE hipparcos SET hip = 1",
        "TRUNCATE hipparcos",
        "EXPLAIN ANALYZE INSERT INTO hipparcos (hip) VALUES (1)",
    ] {
        let error = error(&session, sql).await;
        assert_eq!(error.sqlstate(), "25006", "{sql}: {error:?}");
    }
    // A view is no table: the state store is where it lies.
    assert_eq!(
        done(
            &session,
            "CREATE VIEW bright AS SELECT * FROM hipparcos WHERE hpmag < 1"
        )
        .await,
        "CREATE VIEW"
    );
    assert_eq!(value(&session, "SELECT COUNT(*) > 5 FROM bright").await, "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_make_one_table_one_is_told() {
    let home = Home::new();
    let database = home.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..4 {
        let session = database.session();
        tasks.spawn(async move {
            let sql =
                format!("CREATE TABLE same AS SELECT {number} AS writer, hip, ra, dec FROM hipparcos WHERE hip < 5000");
            outcome(&session, &sql).await.map(|_| number)
        });
    }
    let results = tasks.join_all().await;
    let won: Vec<i32> = results
        .iter()
        .filter_map(|result| result.as_ref().ok().copied())
        .collect();
    let [winner] = won[..] else { panic!("{results:?}") };
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(["42P07", "40001"].contains(&error.sqlstate()), "{error:?}");
    }
    let session = database.session();
    let found = table(&session, "SELECT DISTINCT writer FROM same").await;
    assert!(found.contains(&format!("| {winner} ")), "{found}");
    let leftovers = std::fs::read_dir(home.folder.path().join("root/dreyer/same")).unwrap();
    let snapshots = leftovers.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("s-"));
    assert_eq!(snapshots.count(), 1, "the losers clear up after themselves");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_insert_no_row_is_lost_or_written_twice() {
    let home = Home::new();
    let (one, two) = (home.open().await, home.open().await);
    done(&one.session(), "CREATE TABLE log (id INT, ra DOUBLE, dec DOUBLE)").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..6 {
        let session = if number % 2 == 0 { one.session() } else { two.session() };
        tasks.spawn(async move {
            let sql = format!("INSERT INTO log VALUES ({number}, {number}, 1), ({number}, {number}, 2)");
            for _ in 0..100 {
                match outcome(&session, &sql).await {
                    Ok(_) => return true,
                    Err(error) => assert_eq!(error.sqlstate(), "40001", "{error:?}"),
                }
            }
            false
        });
    }
    let done = tasks.join_all().await;
    assert!(done.iter().all(|done| *done));
    let session = home.session().await;
    assert_eq!(
        value(&session, "SELECT COUNT(*) || ',' || COUNT(DISTINCT id) FROM log").await,
        "12,6"
    );
    assert_eq!(crate::done(&session, "VACUUM log").await, "VACUUM");
    assert_eq!(
        value(&session, "SELECT COUNT(*) || ',' || SUM(id) FROM log").await,
        "12,30"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_dropped_leaves_nothing_to_read() {
    let home = Home::new();
    let session = home.session().await;
    done(
        &session,
        "CREATE TABLE mine AS SELECT 1 AS a, 2.0::DOUBLE AS ra, 3.0::DOUBLE AS dec",
    )
    .await;
    let endless = "SELECT a.hip AS a, a.ra, a.dec FROM hipparcos AS a CROSS JOIN hipparcos AS b";
    for sql in [
        format!("CREATE TABLE endless AS {endless}"),
        format!("INSERT INTO mine {endless}"),
        format!("COPY ({endless}) TO 'endless.parquet'"),
    ] {
        let statement = session.parse(&sql).unwrap().remove(0);
        let plan = session.plan(&statement).await.unwrap();
        let work = tokio::time::timeout(std::time::Duration::from_millis(700), session.execute(plan));
        let seen = async {
            tokio::time::sleep(std::time::Duration::from_millis(350)).await;
            session.database().queries()
        };
        let (work, seen) = tokio::join!(work, seen);
        assert!(work.is_err(), "{sql} is to take longer");
        assert!(seen.len() == 1 && seen[0].estimate.bytes > 0, "{sql}: {seen:?}");
        let last = session.database().last_queries();
        assert_eq!(last.last().map(|query| query.state), Some(QueryState::Dropped), "{sql}");
    }
    let session = home.session().await;
    assert_eq!(error(&session, "SELECT * FROM endless").await.sqlstate(), "42P01");
    assert_eq!(value(&session, "SELECT COUNT(*) FROM mine").await, "1");
    assert!(!Path::new(&home.path("root/dreyer/endless.parquet")).exists());
    assert_eq!(
        done(&session, "CREATE TABLE endless AS SELECT 1 AS a").await,
        "SELECT 1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_user_are_written_and_read_under_the_root() {
    let home = Home::new();
    let session = home.session().await;
    let formats = [
        ("near.parquet", "PARQUET"),
        ("near.csv", "CSV"),
        ("near.tsv", "TSV"),
        ("near.arrow", "ARROW"),
        ("near.vot", "VOTABLE"),
    ];
    for (number, (file, kind)) in formats.into_iter().enumerate() {
        for (limit, tag) in [(9, "COPY 9"), (5, "COPY 5")] {
            let copy = format!("COPY (SELECT hip, ra, dec FROM hipparcos ORDER BY hip LIMIT {limit}) TO '{file}'");
            assert_eq!(done(&session, &copy).await, tag, "a file is replaced");
        }
        let location = home.path(&format!("root/dreyer/{file}"));
        let create = format!("CREATE EXTERNAL TABLE f{number} STORED AS {kind} LOCATION '{location}'");
        assert_eq!(done(&session, &create).await, "CREATE EXTERNAL TABLE");
        let sum = format!("SELECT SUM(hip) || ',' || COUNT(ra) FROM f{number}");
        assert_eq!(value(&session, &sum).await, "15,5");
    }
    let read = "SELECT hip, ra FROM f0 LIMIT 1";
    let unit = batches(&session, read).await[0]
        .schema()
        .field(1)
        .metadata()
        .get("unit")
        .cloned();
    assert_eq!(unit.as_deref(), Some("deg"));
    for target in [
        "../x.csv",
        ".hidden.csv",
        "/etc/x.csv",
        "s3://bucket/x.csv",
        "https://host/x.csv",
    ] {
        let error = error(&session, &format!("COPY (SELECT 1) TO '{target}'")).await;
        assert!(["42501", "25006"].contains(&error.sqlstate()), "{target}: {error:?}");
    }
    let deep = home.path("root/dreyer/deep/x.csv");
    assert_eq!(
        error(&session, &format!("COPY (SELECT 1) TO '{deep}'"))
            .await
            .sqlstate(),
        "42501"
    );
    assert!(!home.folder.path().join("x.csv").exists());
}

#[tokio::test]
async fn no_new_kind_of_statement_slips_through() {
    let home = Home::new();
    let session = home.session().await;
    for sql in [
        "CREATE SCHEMA s",
        "CREATE DATABASE d",
        "CREATE INDEX i ON hipparcos (hip)",
        "DROP SCHEMA public",
        "CREATE FUNCTION f(DOUBLE) RETURNS DOUBLE RETURN $1",
        "DROP FUNCTION abs",
        "DELETE FROM hipparcos",
        "UPDATE hipparcos SET hip = 1",
        "TRUNCATE hipparcos",
        "MERGE INTO hipparcos USING gaia_bright ON hipparcos.hip = gaia_bright.source_id WHEN MATCHED THEN DELETE",
        "CREATE MATERIALIZED VIEW m AS SELECT 1",
        "CREATE SEQUENCE q",
        "GRANT SELECT ON hipparcos TO eve",
        "ALTER TABLE hipparcos RENAME COLUMN hip TO x",
        "CREATE OR REPLACE TABLE t AS SELECT 1 AS a",
        "CREATE TABLE t (a INT UNIQUE)",
        "CREATE TABLE t (a INT DEFAULT 3)",
        "COPY hipparcos TO PROGRAM 'rm x'",
        "COPY hipparcos FROM STDIN",
        "COPY (SELECT 1) TO 'x.parquet' PARTITIONED BY (a)",
        "COPY (SELECT 1) TO 'x.parquet' OPTIONS ('format.compression' 'gzip')",
    ] {
        let error = error(&session, sql).await;
        assert!(
            ["25006", "0A000", "42601", "42501", "42000"].contains(&error.sqlstate()),
            "{sql}: {error:?}"
        );
    }
    assert_eq!(value(&session, "SELECT COUNT(*) FROM hipparcos").await, "117955");
}

#[tokio::test]
async fn the_shell_keeps_tables_where_it_was_told_to() {
    let home = Home::new();
    let config = Config {
        access: Access::Full,
        ..home.config()
    };
    let session = Database::open(config).await.unwrap().session();
    done(&session, "CREATE TABLE gaia.mine AS SELECT 1 AS a").await;
    done(&session, "CREATE TEMP TABLE passing AS SELECT 2 AS a").await;
    let session = home.session().await;
    assert_eq!(value(&session, "SELECT a FROM gaia.mine").await, "1");
    let rows = session.query("SELECT * FROM gaia.mine").await.unwrap();
    assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap().len(), 1);
    assert_eq!(error(&session, "SELECT a FROM passing").await.sqlstate(), "42P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_writes_is_seen_within_a_second_or_two() {
    let home = Home::new();
    let (one, two) = (home.session().await, home.session().await);
    done(&one, "CREATE TABLE log (id INT, ra DOUBLE, dec DOUBLE)").await;
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    assert_eq!(value(&two, "SELECT COUNT(*) FROM log").await, "0");
    done(&one, "INSERT INTO log VALUES (1, 2, 3)").await;
    done(&one, "CREATE VIEW logs AS SELECT id FROM log").await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(value(&two, "SELECT id FROM logs").await, "1");
    done(&one, "DROP TABLE log").await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(error(&two, "SELECT COUNT(*) FROM log").await.sqlstate(), "42P01");
    done(&two, "CREATE TABLE log AS SELECT 5 AS id").await;
    assert_eq!(value(&two, "SELECT id FROM logs").await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_tables_of_its_own_where_nothing_can_be_written() {
    let mut config = Config {
        access: Access::ReadOnly,
        ..Config::default()
    };
    config.limits.session_table_bytes = 1 << 20;
    let database = Database::open(config).await.unwrap();
    let (session, other) = (database.session(), database.session());
    let made = done(
        &session,
        "CREATE TEMP TABLE targets AS SELECT hip, ra, dec FROM hipparcos WHERE hip < 500",
    )
    .await;
    assert_eq!(database.queries_ended(QueryEnd::Complete), 1);
    let count = value(&session, "SELECT COUNT(*) FROM hipparcos WHERE hip < 500").await;
    assert_eq!(made, format!("SELECT {count}"));
    assert_eq!(
        done(&session, "INSERT INTO targets SELECT * FROM targets").await,
        format!("INSERT 0 {count}")
    );
    let matched = "SELECT COUNT(DISTINCT t.hip) = COUNT(DISTINCT h.hip) AND COUNT(DISTINCT h.hip) > 400 \
                   FROM targets t JOIN hipparcos h ON XMATCH(radius_arcsec => 0.01)";
    assert_eq!(value(&session, matched).await, "true");
    assert_eq!(error(&other, "SELECT * FROM targets").await.sqlstate(), "42P01");
    assert_eq!(
        error(&session, "CREATE TEMP TABLE targets (a INT)").await.sqlstate(),
        "42P07"
    );
    assert_eq!(
        error(&session, "CREATE TABLE lasting (a INT)").await.sqlstate(),
        "25006"
    );
    assert_eq!(
        done(&session, "CREATE TEMP TABLE IF NOT EXISTS targets (a INT)").await,
        "CREATE TABLE"
    );
    assert_eq!(
        done(&session, "CREATE TEMP TABLE none (a INT, b TEXT)").await,
        "CREATE TABLE"
    );
    assert_eq!(
        done(&session, "CREATE TEMP VIEW few AS SELECT * FROM targets WHERE hip < 9").await,
        "CREATE VIEW"
    );
    assert_eq!(error(&session, "DROP TABLE few").await.sqlstate(), "42809");

    // More than a session may have: the table is as it was, and there is room again when it is gone.
    let too_large = "INSERT INTO targets SELECT hip, ra, dec FROM hipparcos";
    let refused = error(&session, too_large).await;
    assert_eq!(refused.sqlstate(), "53200");
    assert!(refused.message.contains("limits.session_table_bytes"), "{refused:?}");
    assert_eq!(database.queries_ended(QueryEnd::Failed), 1);
    assert_eq!(
        error(&session, "CREATE TEMP TABLE large AS SELECT * FROM hipparcos")
            .await
            .sqlstate(),
        "53200"
    );
    assert_eq!(error(&session, "SELECT * FROM large").await.sqlstate(), "42P01");
    assert_eq!(
        value(&session, &format!("SELECT COUNT(*) = 2 * {count} FROM targets")).await,
        "true"
    );
    for _ in 0..40 {
        done(
            &session,
            "CREATE OR REPLACE TEMP TABLE again AS SELECT hip FROM hipparcos WHERE hip < 9000",
        )
        .await;
    }
    assert_eq!(done(&session, "DROP TABLE targets, again, none").await, "DROP TABLE");
    assert_eq!(done(&session, "DROP VIEW few").await, "DROP VIEW");
    assert_eq!(error(&session, "SELECT * FROM targets").await.sqlstate(), "42P01");
}
