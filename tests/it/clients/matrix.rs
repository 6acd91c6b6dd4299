//! Four users × every kind of statement × tables that are seen, hidden and not there: nothing leaks.
//!
//! The kinds are those of the parser, in a `match` without a wildcard: one that is new in an upgrade does not compile until
//! somebody has thought about it and written a sample.

use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::Statement;

use super::grants::guarded;
use super::text;

macro_rules! kinds {
    ($($kind:ident: $($sample:literal),+;)*) => {
        fn kind(statement: &Statement) -> &'static str {
            match statement {
                $(Statement::$kind { .. } => stringify!($kind),)*
            }
        }

        /// Statements of each kind. `{t}` is the table.
        const SAMPLES: &[(&str, &[&str])] = &[$((stringify!($kind), &[$($sample),+]),)*];
    };
}

kinds! {
    Analyze: "ANALYZE {t}", "ANALYZE";
    Set: "SET search_path = public", "SET dreyer.dialect = 'postgres'", "SET datafusion.runtime.memory_limit = '1G'",
        "SET datafusion.runtime.temp_directory = '/nowhere'", "SET ROLE root", "SET SESSION AUTHORIZATION root";
    Truncate: "TRUNCATE {t}", "TRUNCATE TABLE public.{t}";
    Msck: "MSCK REPAIR TABLE {t}";
    Query: "SELECT count(*) FROM {t}", "SELECT * FROM {t} LIMIT 1", "TABLE {t}", "SELECT * FROM public.{t} LIMIT 1",
        "SELECT * FROM dreyer.public.{t} LIMIT 1", "SELECT * FROM \"{t}\" LIMIT 1", "SELECT {t}.* FROM {t} LIMIT 1",
        "SELECT (SELECT count(*) FROM {t})", "SELECT 1 WHERE EXISTS (SELECT 1 FROM {t})",
        "SELECT 1 WHERE 1 IN (SELECT 1 FROM {t})", "WITH a AS (SELECT * FROM {t}) SELECT count(*) FROM a",
        "WITH {t} AS (SELECT 1 AS a) SELECT * FROM {t}", "SELECT 1 FROM hipparcos h JOIN {t} g ON h.ra = g.ra LIMIT 1",
        "SELECT count(*) FROM {t} UNION ALL SELECT count(*) FROM {t}", "SELECT ra FROM {t} INTERSECT SELECT 1",
        "SELECT count(*) FROM {t} a, LATERAL (SELECT a.ra) b", "SELECT '{t}'::regclass", "SELECT to_regclass('{t}')",
        "SELECT to_regclass('public.{t}')", "SELECT pg_relation_size('{t}')", "SELECT pg_total_relation_size('{t}'::regclass)",
        "SELECT has_table_privilege('{t}', 'SELECT')", "SELECT has_any_column_privilege('{t}', 'SELECT')",
        "SELECT has_table_privilege('root', '{t}', 'SELECT')", "SELECT obj_description('{t}'::regclass)",
        "SELECT col_description('{t}'::regclass, 1)", "SELECT * FROM pg_class WHERE relname = '{t}'",
        "SELECT * FROM pg_tables WHERE tablename = '{t}'", "SELECT * FROM information_schema.tables WHERE table_name = '{t}'",
        "SELECT * FROM information_schema.columns WHERE table_name = '{t}'",
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'",
        "SELECT attname FROM pg_attribute", "SELECT relname FROM pg_class", "SELECT description FROM pg_description",
        "SELECT typname FROM pg_type", "SELECT query FROM pg_stat_activity WHERE usename = 'root'",
        "SELECT definition FROM pg_views", "SELECT * FROM {t}s", "SELECT * FROM {t} FOR UPDATE",
        "SELECT * INTO made_of FROM {t}", "SELECT * FROM '{t}'", "SELECT * FROM '/{t}.parquet'",
        "SELECT * FROM pg_stat_storage", "SELECT pg_cancel_backend(1)";
    Insert: "INSERT INTO {t} VALUES (1)", "INSERT INTO {t} SELECT * FROM {t}", "INSERT INTO nowhere SELECT * FROM {t}";
    Install: "INSTALL {t}";
    Load: "LOAD {t}";
    Directory: "INSERT OVERWRITE DIRECTORY '/nowhere/{t}' SELECT * FROM {t}";
    Case: "CASE 1 WHEN 1 THEN SELECT 1 FROM {t}; END CASE";
    If: "IF TRUE THEN SELECT 1 FROM {t}; END IF";
    While: "WHILE 1 = 1 BEGIN SELECT 1 FROM {t}; END";
    Raise: "RAISE USING MESSAGE = '{t}'";
    Call: "CALL {t}()";
    Copy: "COPY {t} TO STDOUT", "COPY (SELECT * FROM {t} LIMIT 1) TO STDOUT", "COPY {t} FROM STDIN", "COPY {t} TO '/nowhere/{t}.csv'",
        "COPY public.{t} (ra) TO STDOUT (FORMAT csv)", "COPY {t} TO PROGRAM 'cat'", "COPY (SELECT * FROM {t}) TO 'x.csv'";
    CopyIntoSnowflake: "COPY INTO {t} FROM 's3://x'";
    Open: "OPEN {t}";
    Close: "CLOSE {t}", "CLOSE ALL";
    Update: "UPDATE {t} SET ra = 1", "UPDATE hipparcos SET ra = (SELECT max(ra) FROM {t})";
    Delete: "DELETE FROM {t}", "DELETE FROM hipparcos WHERE hip IN (SELECT 1 FROM {t})";
    CreateView: "CREATE TEMP VIEW seen AS SELECT * FROM {t}", "CREATE VIEW seen AS SELECT * FROM {t}",
        "CREATE VIEW {t} AS SELECT 1 AS a", "CREATE MATERIALIZED VIEW seen AS SELECT * FROM {t}";
    CreateTable: "CREATE TABLE made AS SELECT * FROM {t} LIMIT 1", "CREATE TEMP TABLE made AS SELECT * FROM {t} LIMIT 1",
        "CREATE TABLE public.{t} (a int)", "CREATE TABLE IF NOT EXISTS public.{t} (a int)", "CREATE TABLE made (LIKE {t})",
        "CREATE EXTERNAL TABLE made STORED AS PARQUET LOCATION '/{t}'", "CREATE EXTERNAL TABLE made STORED AS HATS LOCATION 'sample://sky/{t}'";
    CreateVirtualTable: "CREATE VIRTUAL TABLE made USING {t}";
    CreateIndex: "CREATE INDEX made ON {t} (ra)";
    CreateRole: "CREATE ROLE {t}";
    CreateSecret: "CREATE SECRET {t} (TYPE S3)";
    CreateServer: "CREATE SERVER {t} FOREIGN DATA WRAPPER x";
    CreatePolicy: "CREATE POLICY p ON {t}";
    CreateConnector: "CREATE CONNECTOR {t}";
    CreateOperator: "CREATE OPERATOR {t} (FUNCTION = f)";
    CreateOperatorFamily: "CREATE OPERATOR FAMILY {t} USING btree";
    CreateOperatorClass: "CREATE OPERATOR CLASS {t} FOR TYPE int USING btree AS STORAGE int";
    AlterTable: "ALTER TABLE {t} RENAME TO other", "ALTER TABLE {t} ADD COLUMN a int", "ALTER TABLE hipparcos RENAME TO {t}";
    AlterSchema: "ALTER SCHEMA {t} RENAME TO other";
    AlterIndex: "ALTER INDEX {t} RENAME TO other";
    AlterView: "ALTER VIEW {t} AS SELECT 1";
    AlterFunction: "ALTER FUNCTION {t}() RENAME TO other";
    AlterType: "ALTER TYPE {t} RENAME TO other";
    AlterCollation: "ALTER COLLATION {t} RENAME TO other";
    AlterOperator: "ALTER OPERATOR + (int, int) OWNER TO {t}";
    AlterOperatorFamily: "ALTER OPERATOR FAMILY {t} USING btree RENAME TO other";
    AlterOperatorClass: "ALTER OPERATOR CLASS {t} USING btree RENAME TO other";
    AlterRole: "ALTER ROLE {t} RENAME TO other";
    AlterPolicy: "ALTER POLICY p ON {t} RENAME TO other";
    AlterConnector: "ALTER CONNECTOR {t} SET URL 'x'";
    AlterSession: "ALTER SESSION SET a = 1";
    AttachDatabase: "ATTACH DATABASE '/{t}' AS x";
    AttachDuckDBDatabase: "ATTACH '/{t}'";
    DetachDuckDBDatabase: "DETACH {t}";
    Drop: "DROP TABLE {t}", "DROP TABLE IF EXISTS {t}", "DROP VIEW {t}", "DROP VIEW IF EXISTS public.{t}", "DROP SCHEMA {t}",
        "DROP INDEX {t}", "DROP ROLE {t}", "DROP TABLE IF EXISTS made", "DROP VIEW IF EXISTS seen";
    DropFunction: "DROP FUNCTION {t}";
    DropDomain: "DROP DOMAIN {t}";
    DropProcedure: "DROP PROCEDURE {t}";
    DropSecret: "DROP SECRET {t}";
    DropPolicy: "DROP POLICY p ON {t}";
    DropConnector: "DROP CONNECTOR {t}";
    Declare: "DECLARE c CURSOR FOR SELECT * FROM {t}", "BEGIN; DECLARE c CURSOR FOR SELECT ra FROM {t}; FETCH 1 FROM c; COMMIT",
        "DECLARE h CURSOR WITH HOLD FOR SELECT ra FROM {t}";
    CreateExtension: "CREATE EXTENSION {t}";
    CreateCollation: "CREATE COLLATION {t} FROM \"C\"";
    DropExtension: "DROP EXTENSION {t}";
    DropOperator: "DROP OPERATOR + (int, int)";
    DropOperatorFamily: "DROP OPERATOR FAMILY {t} USING btree";
    DropOperatorClass: "DROP OPERATOR CLASS {t} USING btree";
    Fetch: "FETCH 1 FROM {t}", "FETCH ALL FROM c";
    Flush: "FLUSH TABLES {t}";
    Discard: "DISCARD TEMP", "DISCARD PLANS";
    ShowFunctions: "SHOW FUNCTIONS LIKE '{t}'";
    ShowVariable: "SHOW search_path", "SHOW {t}", "SHOW ALL";
    ShowStatus: "SHOW STATUS";
    ShowVariables: "SHOW VARIABLES";
    ShowCreate: "SHOW CREATE TABLE {t}", "SHOW CREATE VIEW {t}";
    ShowColumns: "SHOW COLUMNS FROM {t}", "SHOW FIELDS IN public.{t}";
    ShowCatalogs: "SHOW CATALOGS";
    ShowDatabases: "SHOW DATABASES";
    ShowProcessList: "SHOW PROCESSLIST";
    ShowSchemas: "SHOW SCHEMAS";
    ShowCharset: "SHOW CHARSET";
    ShowObjects: "SHOW OBJECTS";
    ShowTables: "SHOW TABLES", "SHOW TABLES LIKE '{t}'";
    ShowViews: "SHOW VIEWS";
    ShowCollation: "SHOW COLLATION";
    Use: "USE {t}";
    StartTransaction: "BEGIN; SELECT count(*) FROM {t}; COMMIT";
    Comment: "COMMENT ON TABLE {t} IS 'x'", "COMMENT ON COLUMN {t}.ra IS 'x'", "COMMENT IF EXISTS ON TABLE {t} IS 'x'";
    Commit: "COMMIT";
    Rollback: "ROLLBACK";
    CreateSchema: "CREATE SCHEMA {t}";
    CreateDatabase: "CREATE DATABASE {t}";
    CreateFunction: "CREATE FUNCTION {t}() RETURNS int AS 'SELECT 1' LANGUAGE sql",
        "CREATE FUNCTION f() RETURNS bigint RETURN (SELECT count(*) FROM {t})";
    CreateTrigger: "CREATE TRIGGER x BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION f()";
    DropTrigger: "DROP TRIGGER x ON {t}";
    CreateProcedure: "CREATE PROCEDURE p AS BEGIN SELECT 1 FROM {t}; END";
    CreateMacro: "CREATE MACRO m(a) AS TABLE SELECT * FROM {t}";
    CreateStage: "CREATE STAGE {t}";
    Assert: "ASSERT (SELECT count(*) FROM {t}) > 0";
    Grant: "GRANT SELECT ON {t} TO ada", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO eve", "GRANT {t} TO eve",
        "GRANT pg_read_all_data TO eve";
    Deny: "DENY SELECT ON {t} TO ada";
    Revoke: "REVOKE SELECT ON {t} FROM root", "REVOKE {t} FROM root";
    Deallocate: "DEALLOCATE {t}";
    Execute: "EXECUTE {t}", "EXECUTE q";
    Prepare: "PREPARE q AS SELECT count(*) FROM {t}", "PREPARE r AS INSERT INTO {t} VALUES (1)";
    Kill: "KILL 1";
    ExplainTable: "DESCRIBE {t}", "DESC public.{t}", "EXPLAIN {t}";
    Explain: "EXPLAIN SELECT * FROM {t}", "EXPLAIN ANALYZE SELECT count(*) FROM {t}", "EXPLAIN VERBOSE SELECT ra FROM {t}",
        "EXPLAIN INSERT INTO {t} VALUES (1)", "EXPLAIN (FORMAT TREE) SELECT * FROM {t}", "EXPLAIN FORMAT INDENT SELECT * FROM {t}";
    Savepoint: "SAVEPOINT {t}";
    ReleaseSavepoint: "RELEASE SAVEPOINT {t}";
    Merge: "MERGE INTO hipparcos USING {t} ON false WHEN MATCHED THEN DELETE", "MERGE INTO {t} USING hipparcos ON false WHEN MATCHED THEN DELETE";
    Cache: "CACHE TABLE {t}";
    UNCache: "UNCACHE TABLE {t}";
    CreateSequence: "CREATE SEQUENCE {t}";
    CreateDomain: "CREATE DOMAIN {t} AS int";
    CreateType: "CREATE TYPE {t} AS (a int)";
    Pragma: "PRAGMA table_info({t})";
    Lock: "LOCK TABLE {t} IN ACCESS SHARE MODE";
    LockTables: "LOCK TABLES {t} READ";
    UnlockTables: "UNLOCK TABLES";
    Unload: "UNLOAD (SELECT * FROM {t}) TO 's3://x'", "UNLOAD('SELECT * FROM {t}') TO 's3://x'";
    OptimizeTable: "OPTIMIZE TABLE {t}";
    LISTEN: "LISTEN {t}";
    UNLISTEN: "UNLISTEN *";
    NOTIFY: "NOTIFY {t}";
    LoadData: "LOAD DATA INPATH '/{t}' INTO TABLE {t}";
    RenameTable: "RENAME TABLE {t} TO other";
    List: "LIST @{t}";
    Remove: "REMOVE @{t}";
    RaisError: "RAISERROR('{t}', 1, 1)";
    Throw: "THROW";
    Print: "PRINT '{t}'";
    WaitFor: "WAITFOR DELAY '00:00:01'";
    Return: "RETURN 1";
    ExportData: "EXPORT DATA OPTIONS (uri = 'x') AS SELECT * FROM {t}";
    CreateUser: "CREATE USER {t}";
    AlterUser: "ALTER USER {t} SET PASSWORD 'x'";
    Vacuum: "VACUUM {t}", "VACUUM";
    Reset: "RESET search_path", "RESET datafusion.runtime.memory_limit";
}

/// The engine's own statements, around the parser's.
fn engines_kind(statement: &Ast) -> &'static str {
    match statement {
        Ast::Statement(statement) => kind(statement),
        Ast::CreateExternalTable(_) => "CreateTable",
        Ast::CopyTo(_) => "Copy",
        Ast::Explain(_) => "Explain",
        Ast::Reset(_) => "Reset",
    }
}

#[tokio::test]
async fn every_sample_is_of_its_kind() {
    let database = dreyer::Database::open(dreyer::Config::default()).await.unwrap();
    let session = database.session();
    let mut parsed = 0;
    for (name, samples) in SAMPLES {
        for sample in *samples {
            // What the one dialect does not take is refused before anything is looked up, and runs all the same.
            let Ok(statements) = session.parse(&sample.replace("{t}", "t")) else {
                continue;
            };
            let kinds: Vec<_> = statements
                .iter()
                .map(|statement| engines_kind(statement.ast()))
                .collect();
            let into = *name == "Query" && sample.contains(" INTO ");
            assert!(
                into || kinds.contains(name) || kinds.contains(&"ShowVariable"),
                "{sample} is {kinds:?}, not {name}"
            );
            parsed += 1;
        }
    }
    assert!(parsed > 150, "{parsed} samples parse");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_table_is_answered_as_one_that_does_not_exist() {
    let (guarded, folder) = guarded().await;
    guarded.add("nix", &[]);
    let list: serde_json::Map<String, serde_json::Value> = SAMPLES
        .iter()
        .map(|(name, samples)| ((*name).to_owned(), serde_json::json!(samples)))
        .collect();
    let file = folder.path().join("samples.json");
    std::fs::write(&file, serde_json::Value::Object(list).to_string()).unwrap();
    let python = std::env::var("DREYER_TEST_PYTHON").expect("DREYER_TEST_PYTHON must name a Python with psycopg 3");
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients/matrix.py");
    let output = guarded
        .server
        .command(python)
        .arg(script)
        .arg(&file)
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    println!("{}", text(&output.stdout));
    assert!(text(&output.stdout).starts_with("ok "));
}
