//! Files by path, folder, pattern, under a root, and by SQL.

use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as StorePath;

use super::*;
use crate::{FileFormat, FileTableFactory, discover, list_inputs, open_discovered};

fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

#[tokio::test]
async fn paths_folders_and_patterns() {
    let folder = tree(&[
        ("a.csv", b"x\n1\n"),
        ("b.csv.gz", b""),
        ("note.txt", b""),
        ("sub/c.csv", b""),
        ("sub/d.parquet", b""),
        ("sub/.e.csv", b""),
        ("_f/g.csv", b""),
        ("odd[1].csv", b"x\n1\n"),
    ]);
    let store = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let list = |path: &'static str, format| {
        let store = &store;
        async move {
            let files = list_inputs(store, path, format)
                .await
                .map_err(|error| error.to_string())?;
            Ok::<_, String>(
                files
                    .iter()
                    .map(|file| file.location.to_string())
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        }
    };
    let csv = Some(FileFormat::Csv);
    assert_eq!(list("a.csv", None).await.unwrap(), "a.csv");
    assert_eq!(list("note.txt", None).await.unwrap(), "note.txt");
    assert_eq!(
        list("", None).await.unwrap(),
        "a.csv b.csv.gz odd[1].csv sub/c.csv sub/d.parquet"
    );
    assert_eq!(list("sub/", csv).await.unwrap(), "sub/c.csv");
    assert_eq!(list("sub", csv).await.unwrap(), "sub/c.csv");
    assert_eq!(list("*.csv", None).await.unwrap(), "a.csv odd[1].csv");
    assert_eq!(list("**/*.csv", None).await.unwrap(), "a.csv odd[1].csv sub/c.csv");
    assert_eq!(list("s?b/[cd].*", None).await.unwrap(), "sub/c.csv sub/d.parquet");
    assert_eq!(list("odd[1].csv", None).await.unwrap(), "odd[1].csv");
    assert_eq!(list("_f/g.csv", None).await.unwrap(), "_f/g.csv");
    for (nothing, said) in [
        ("z.csv", "no such file"),
        ("z*.csv", "no file matches"),
        ("sub/z/", "no such"),
    ] {
        let error = list(nothing, None).await.unwrap_err();
        assert!(
            error.contains(nothing.trim_end_matches('/')) && error.contains(said),
            "{error}"
        );
    }
    assert!(
        list("sub", Some(FileFormat::Fits))
            .await
            .unwrap_err()
            .contains("no fits file")
    );
}

#[tokio::test]
async fn a_root_shows_its_first_two_levels() {
    let stars = stars(20);
    let (good, text) = (parquet(&stars, 10), csv(&stars, b','));
    let folder = tree(&[
        ("x.parquet", &good),
        ("x.csv", b"a\n1\n"),
        ("broken.parquet", b"PAR1 not at all PAR1"),
        ("readme.md", b""),
        (".hidden.csv", b"a\n1\n"),
        ("notes.xml", b"<?xml version=\"1.0\"?><notes/>"),
        ("lists/y.csv", &text),
        ("lists/deeper/z.csv", b"a\n1\n"),
        ("_cache/y.csv", b"a\n1\n"),
        ("cat/hats.properties", b"obs_collection=cat"),
        ("cat/partition_info.csv", b"Norder,Npix\n0,0\n"),
        ("coll/collection.properties", b"obs_collection=coll"),
        ("coll/extra.csv", b"a\n1\n"),
        ("mine/dreyer.manifest.json", b"{}"),
        ("mine/w.csv", b"a\n1\n"),
    ]);
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
    let root = StorePath::from_absolute_path(folder.path()).unwrap();
    let found = discover(Arc::clone(&store), root).await.unwrap();
    let names: Vec<String> = found
        .iter()
        .map(|found| {
            format!(
                "{}.{} {}",
                found.schema.as_deref().unwrap_or(""),
                found.name,
                found.format
            )
        })
        .collect();
    assert_eq!(names, [".broken parquet", ".x parquet", "lists.y csv"]);
    let context = session();
    let url = ObjectStoreUrl::local_filesystem();
    let tables = open_discovered(&context.state(), store, url, found).await;
    let opened: Vec<&str> = tables.iter().map(|(found, _)| found.name.as_str()).collect();
    assert_eq!(opened, ["x", "y"]);
    context.register_table("t", tables[0].1.clone()).unwrap();
    assert_eq!(rows(&context, "SELECT count(*) FROM t").await.unwrap(), ["|20|"]);

    let catalog = StorePath::from_absolute_path(folder.path().join("cat")).unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
    assert!(discover(store, catalog).await.unwrap().is_empty());
}

#[tokio::test]
async fn tables_are_created_by_sql() {
    let stars = stars(20);
    let folder = tree(&[
        ("a.data", &csv(&stars, b';')),
        ("b.csv", b"id,v\n1,2\n"),
        ("c.parquet", &parquet(&stars, 10)),
        ("d.fits", &fits(&stars)),
    ]);
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut builder = SessionStateBuilder::new_from_existing(session().state());
    let factories = builder.table_factories().get_or_insert_default();
    for word in ["CSV", "PARQUET", "FITS"] {
        factories.insert(word.to_owned(), Arc::new(FileTableFactory));
    }
    let context = SessionContext::new_with_state(builder.build());
    let create = |sql: String| {
        let context = &context;
        async move { rows(context, &sql).await }
    };
    create(format!(
        "CREATE EXTERNAL TABLE a STORED AS CSV LOCATION '{}' OPTIONS ('delimiter' ';')",
        place("a.data")
    ))
    .await
    .unwrap();
    assert_eq!(rows(&context, "SELECT count(name) FROM a").await.unwrap(), ["|13|"]);
    create(format!(
        "CREATE EXTERNAL TABLE b (v VARCHAR) STORED AS CSV LOCATION '{}'",
        place("b.csv")
    ))
    .await
    .unwrap();
    assert_eq!(rows(&context, "SELECT id, v || '!' FROM b").await.unwrap(), ["|1|2!|"]);
    create(format!(
        "CREATE EXTERNAL TABLE c STORED AS PARQUET LOCATION '{}'",
        place("c.parquet")
    ))
    .await
    .unwrap();
    assert_eq!(rows(&context, "SELECT count(*) FROM c").await.unwrap(), ["|20|"]);
    create(format!(
        "CREATE EXTERNAL TABLE d STORED AS FITS LOCATION '{}' OPTIONS ('table' '1')",
        place("d.fits")
    ))
    .await
    .unwrap();
    assert_eq!(rows(&context, "SELECT count(*) FROM d").await.unwrap(), ["|20|"]);
    for (sql, said) in [
        (
            format!("CREATE EXTERNAL TABLE e STORED AS CSV LOCATION '{}'", place("no.csv")),
            "no.csv: there is no such",
        ),
        (
            format!(
                "CREATE EXTERNAL TABLE e STORED AS CSV LOCATION '{}' OPTIONS ('delimeter' ';')",
                place("b.csv")
            ),
            "delimeter",
        ),
        (
            format!(
                "CREATE EXTERNAL TABLE e (v INT) STORED AS FITS LOCATION '{}'",
                place("d.fits")
            ),
            "bring their own",
        ),
        (
            format!("CREATE EXTERNAL TABLE e STORED AS FITS LOCATION '{}'", place("b.csv")),
            "b.csv",
        ),
    ] {
        let error = create(sql.clone()).await.unwrap_err();
        assert!(error.contains(said), "{sql}: {error}");
    }
}
