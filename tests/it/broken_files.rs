//! Damaged files through every door that opens files: a root, CREATE EXTERNAL TABLE, FROM, the import. The answer is rows,
//! where the damage cannot be seen, or an error that names the file; never a panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dreyer::{Access, Config, Database, Error, Outcome, Session};
use dreyer_formats::fits::write_healpix_map;
use futures::TryStreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/sample");

/// Damaged forms of a file, through the doors of a session and through the import, which is a process each time.
const FORMS: usize = 12;
const IMPORTS: usize = 3;

fn damaged(bytes: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match random.random_range(0..4) {
        0 => bytes.truncate(random.random_range(0..bytes.len())),
        1 => {
            let at = random.random_range(0..bytes.len());
            let end = bytes.len().min(at + random.random_range(1..64));
            bytes.drain(at..end);
        }
        _ => {
            for _ in 0..random.random_range(1..9) {
                // Heads and tails hold what the rest is read by.
                let near = random.random_range(0..bytes.len().min(600));
                let at = match random.random_range(0..3) {
                    0 => random.random_range(0..bytes.len()),
                    1 => near,
                    _ => bytes.len() - 1 - near,
                };
                bytes[at] ^= 1 << random.random_range(0..8);
            }
        }
    }
    bytes
}

async fn open(access: Access, roots: &[&Path]) -> Result<Session, Error> {
    let config = Config {
        access,
        roots: roots.iter().map(|root| root.display().to_string()).collect(),
        ..Config::default()
    };
    Ok(Database::open(config).await?.session())
}

async fn run(session: &Session, sql: &str) -> Result<(), Error> {
    let statement = session.parse(sql)?.remove(0);
    if let Outcome::Rows(rows) = session.execute(session.plan(&statement).await?).await? {
        rows.try_collect::<Vec<_>>().await?;
    }
    Ok(())
}

/// Rows or an error that names `file`; tells which.
fn told(answer: Result<(), Error>, file: &str, door: &str) -> usize {
    let Err(error) = answer else { return 0 };
    let text = format!("{} {}", error.message, error.detail.as_deref().unwrap_or_default());
    assert!(text.contains(file), "{door}: {text}");
    assert!(!text.contains("panic"), "{door}: {text}");
    1
}

/// One small file of each format, with positions.
async fn files(folder: &Path) -> Vec<PathBuf> {
    let session = open(Access::Full, &[]).await.unwrap();
    let mut files = Vec::new();
    for name in ["x.parquet", "x.csv", "x.tsv", "x.arrow"] {
        let file = folder.join(name);
        let select = "SELECT hip, ra, dec, hpmag FROM hipparcos WHERE hpmag < 4";
        run(&session, &format!("COPY ({select}) TO '{}'", file.display()))
            .await
            .unwrap();
        files.push(file);
    }
    let row = |n: u32| format!("<TR><TD>{n}</TD><TD>{}.5</TD><TD>-{n}</TD></TR>", n * 3);
    let field = |name: &str, kind: &str| format!("<FIELD name=\"{name}\" datatype=\"{kind}\"/>");
    let votable = format!(
        "<?xml version=\"1.0\"?>\n<VOTABLE version=\"1.4\"><RESOURCE><TABLE>{}{}{}<DATA><TABLEDATA>{}</TABLEDATA></DATA>\
         </TABLE></RESOURCE></VOTABLE>\n",
        field("id", "int"),
        field("ra", "double"),
        field("dec", "double"),
        (0..50).map(row).collect::<String>()
    );
    let ecsv = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: id, datatype: int64}\n# - {name: ra, datatype: float64, unit: deg}\n\
                # - {name: dec, datatype: float64, unit: deg}\nid ra dec\n1 10.5 20.5\n2 11.5 -20.5\n3 12.5 0\n";
    for (name, text) in [("x.vot", votable.as_str()), ("x.ecsv", ecsv)] {
        fs::write(folder.join(name), text).unwrap();
        files.push(folder.join(name));
    }
    let map = folder.join("x.fits");
    let cells: Vec<(u64, i64)> = (0..40).map(|cell| (cell * 7, 5)).collect();
    write_healpix_map(fs::File::create(&map).unwrap(), 6, &cells, "VALUE").unwrap();
    files.push(map);
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_names_a_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(5);
    let shell = open(Access::Full, &[]).await.unwrap();
    for whole in files(folder.path()).await {
        let name = whole.file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(&whole).unwrap();
        let mut refused = [0; 3];
        for form in 0..FORMS {
            let root = folder.path().join(format!("{name}-{form}"));
            fs::create_dir(&root).unwrap();
            fs::write(root.join("good.csv"), "a\n1\n").unwrap();
            fs::write(root.join(name), damaged(&bytes, &mut random)).unwrap();
            let file = root.join(name).display().to_string();

            let session = open(Access::ReadOnly, &[&root]).await.unwrap();
            refused[0] += told(run(&session, "SELECT * FROM x").await, name, "root");
            run(&session, "SELECT * FROM good").await.unwrap();

            let format = Path::new(name)
                .extension()
                .unwrap()
                .to_str()
                .unwrap()
                .replace("vot", "votable");
            let create = format!("CREATE EXTERNAL TABLE x STORED AS {format} LOCATION '{file}'");
            let session = open(Access::Full, &[]).await.unwrap();
            let answer = match run(&session, &create).await {
                Ok(()) => run(&session, "SELECT * FROM x").await,
                refused => refused,
            };
            refused[1] += told(answer, name, "CREATE EXTERNAL TABLE");
            refused[2] += told(run(&shell, &format!("SELECT * FROM '{file}'")).await, name, "FROM");
        }
        assert!(
            refused.iter().all(|refused| *refused * 4 > FORMS),
            "{name}: {refused:?} of {FORMS}"
        );
        // Of any text but the most damaged the words are rows.
        assert!(
            refused[0] == refused[1] && refused[1] == refused[2],
            "{name}: {refused:?}"
        );
        for _ in 0..IMPORTS {
            fs::write(&whole, damaged(&bytes, &mut random)).unwrap();
            import(folder.path(), &whole, name);
        }
    }
}

/// An import of a damaged file: a catalogue of what can be read, or an error that names the file, and nothing left.
fn import(folder: &Path, file: &Path, name: &str) {
    let root = folder.join("imported");
    let output = Command::new(env!("CARGO_BIN_EXE_dreyer"))
        .arg("import")
        .arg(file)
        .arg("--into")
        .arg(&root)
        .args(["--name", "t", "--ra", "ra", "--dec", "dec"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("panicked"), "{name}: {text}");
    if output.status.success() {
        fs::remove_dir_all(root.join("t")).unwrap();
    } else {
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert!(text.contains(name), "{text}");
        assert!(!root.join("t").exists(), "{name}: something is left");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// Every file below `folder`.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(below(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_catalogue_names_the_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    let stars = folder.path().join("stars");
    copy(&Path::new(SAMPLE).join("hipparcos"), &stars);
    fs::write(folder.path().join("good.csv"), "a\n1\n").unwrap();
    let mut random = StdRng::seed_from_u64(6);
    let mut refused = 0;
    for file in below(&stars) {
        let bytes = fs::read(&file).unwrap();
        for _ in 0..4 {
            fs::write(&file, damaged(&bytes, &mut random)).unwrap();
            let session = open(Access::ReadOnly, &[folder.path()]).await.unwrap();
            run(&session, "SELECT * FROM good").await.unwrap();
            if let Err(error) = run(&session, "SELECT * FROM stars").await {
                let text = format!("{} {}", error.message, error.detail.as_deref().unwrap_or_default());
                assert!(!text.contains("panic"), "{text}");
                // What properties say names files and columns: then these are what cannot be found.
                let name = file.file_name().unwrap().to_str().unwrap();
                assert!(text.contains(name) || text.contains("stars"), "{name}: {text}");
                refused += 1;
            }
        }
        fs::write(&file, &bytes).unwrap();
    }
    assert!(refused > 4, "{refused} refused");
}
