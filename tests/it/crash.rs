//! Programs killed at random moments while they write: the table is the old one or the new one, never anything between.
//!
//! A real process is killed with SIGKILL at a moment drawn from the time that the same work took unharmed; then others
//! read, sweep and write on. The suite runs a few rounds of each kind of work on disk and on a real S3 server; the long
//! form, which is ignored by default, a hundred.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::Handle;

use crate::support::seaweed::{KEY, S3Server, SECRET};

/// Rows of the table that is imported, and the sum of their numbers.
const ROWS: u64 = 60_000;

/// Where tables are written, and what a process must know to get there.
struct Scene {
    folder: tempfile::TempDir,
    root: String,
    environment: Vec<(String, String)>,
    /// The bucket, where it is one.
    bucket: Option<(Handle, Arc<dyn ObjectStore>)>,
}

impl Scene {
    fn on_disk() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        Self {
            root: root.display().to_string(),
            folder,
            environment: Vec::new(),
            bucket: None,
        }
        .with_input()
    }

    fn on(server: &S3Server, runtime: &Handle) -> Self {
        let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
        Self {
            folder: tempfile::tempdir().unwrap(),
            root: format!("s3://crash/tables?endpoint={}", server.endpoint()),
            environment: keys.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            bucket: Some((runtime.clone(), Arc::new(server.store("crash")))),
        }
        .with_input()
    }

    /// The rows that all kinds of work start from, as a CSV file.
    fn with_input(self) -> Self {
        let mut random = StdRng::seed_from_u64(17);
        let mut text = String::from("id,ra,dec,mag\n");
        for id in 0..ROWS {
            let (ra, z): (f64, f64) = (random.random_range(0.0..360.0), random.random_range(-1.0..1.0));
            text.push_str(&format!(
                "{id},{ra},{},{}\n",
                z.asin().to_degrees(),
                random.random_range(5.0..20.0)
            ));
        }
        std::fs::write(self.input(), text).unwrap();
        self
    }

    fn input(&self) -> std::path::PathBuf {
        self.folder.path().join("input.csv")
    }

    fn dreyer(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn import(&self, name: &str) -> Command {
        let input = self.input();
        let input = input.to_str().unwrap();
        self.dreyer(&[
            "import",
            input,
            "--into",
            &self.root,
            "--name",
            name,
            "--tile-rows",
            "4000",
        ])
    }

    fn write(&self, sql: &str) -> Command {
        self.dreyer(&["sql", "--writable", &self.root, "--format", "csv", "-c", sql])
    }

    fn sweep(&self) -> Command {
        self.dreyer(&["vacuum", &self.root, "--grace", "0s"])
    }

    /// Number of rows and sum of `id`; nothing if there is no such table.
    fn content(&self, table: &str) -> Option<(u64, u64)> {
        // The condition makes it read rows instead of what the table says of itself.
        let sql = format!("SELECT count(*), coalesce(sum(id), 0) FROM {table} WHERE mag > 0");
        let output = self.write(&sql).output().unwrap();
        if !output.status.success() {
            let fault = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(fault.contains("does not exist"), "{fault}");
            return None;
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let mut numbers = text
            .lines()
            .nth(1)
            .unwrap()
            .split(',')
            .map(|number| number.parse().unwrap());
        Some((numbers.next().unwrap(), numbers.next().unwrap()))
    }
}

/// The program that is killed: the one that is built with the tests, or an optimised one for the long form.
fn program() -> String {
    std::env::var("DREYER_TEST_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_dreyer").to_owned())
}

/// Output of work that must succeed.
fn done(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Kills the process after `delay`, if it is still there.
fn kill_after(mut process: Child, delay: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "there is no runtime here: processes are tested"
    )]
    std::thread::sleep(delay);
    let _ = process.kill();
    process.wait().unwrap();
}

/// The number of rows and the sum of ids after `times` imports.
fn times(times: u64) -> (u64, u64) {
    (times * ROWS, times * (ROWS * (ROWS - 1) / 2))
}

/// One kind of work: what comes before it, the work, and what the table may be after it.
struct Work {
    name: &'static str,
    before: &'static [&'static str],
    work: fn(&Scene) -> Command,
    table: &'static str,
    old: Option<u64>,
    new: u64,
}

const WORKS: &[Work] = &[
    Work {
        name: "import",
        before: &[],
        work: |scene| scene.import("fresh"),
        table: "fresh",
        old: None,
        new: 1,
    },
    Work {
        name: "create table as",
        before: &["DROP TABLE IF EXISTS made"],
        work: |scene| scene.write("CREATE TABLE made AS SELECT * FROM source"),
        table: "made",
        old: None,
        new: 1,
    },
    Work {
        name: "insert",
        before: &[
            "DROP TABLE IF EXISTS grown",
            "CREATE TABLE grown AS SELECT * FROM source",
        ],
        work: |scene| scene.write("INSERT INTO grown SELECT * FROM source"),
        table: "grown",
        old: Some(1),
        new: 2,
    },
    Work {
        name: "compaction",
        before: &[
            "DROP TABLE IF EXISTS merged",
            "CREATE TABLE merged AS SELECT * FROM source",
            "INSERT INTO merged SELECT * FROM source",
        ],
        work: |scene| scene.write("VACUUM merged"),
        table: "merged",
        old: Some(2),
        new: 2,
    },
];

impl Work {
    fn prepare(&self, scene: &Scene) {
        for sql in self.before {
            done(scene.write(sql));
        }
    }

    /// How long the work takes unharmed.
    fn measure(&self, scene: &Scene) -> Duration {
        self.prepare(scene);
        let start = Instant::now();
        done((self.work)(scene));
        let took = start.elapsed();
        assert_eq!(scene.content(self.table), Some(times(self.new)), "{}", self.name);
        self.forget(scene);
        took
    }

    /// An import makes a plain catalogue, which no statement drops.
    fn forget(&self, scene: &Scene) {
        if self.name != "import" {
            return;
        }
        let Some((runtime, bucket)) = &scene.bucket else {
            let _ = std::fs::remove_dir_all(Path::new(&scene.root).join(self.table));
            return;
        };
        runtime.block_on(async {
            let folder = format!("tables/{}", self.table);
            let found = bucket
                .list(Some(&folder.as_str().into()))
                .map_ok(|object| object.location);
            let found: Vec<_> = found.try_collect().await.unwrap();
            for object in found {
                bucket.delete(&object).await.unwrap();
            }
        });
    }

    /// Kills the work once; tells whether it was the new table that was found then.
    fn round(&self, scene: &Scene, delay: Duration, sweeps: bool) -> bool {
        self.prepare(scene);
        kill_after((self.work)(scene).spawn().unwrap(), delay);
        let found = scene.content(self.table);
        let (old, new) = (self.old.map(times), Some(times(self.new)));
        assert!(
            found == old || found == new,
            "{} killed after {delay:?}: {found:?}",
            self.name
        );
        // The work can be repeated whether or not somebody cleared up before.
        if sweeps {
            done(scene.sweep());
            assert_eq!(
                scene.content(self.table),
                found,
                "{}: sweeping changed the table",
                self.name
            );
            let again = String::from_utf8(done(scene.sweep()).stdout).unwrap();
            assert!(
                !again.contains("removed"),
                "{}: a second sweep found more: {again}",
                self.name
            );
        }
        if found.is_none() {
            done((self.work)(scene));
            assert_eq!(scene.content(self.table), new, "{}: the second attempt", self.name);
        }
        self.forget(scene);
        found == new
    }
}

fn rounds(scene: &Scene, works: &[Work], number: u32) {
    done(scene.import("source"));
    let mut random = StdRng::seed_from_u64(23);
    for work in works {
        let mut whole = work.measure(scene);
        let mut finished = 0;
        for round in 0..number {
            // A machine that others share is not always as fast.
            if round % 10 == 9 {
                whole = work.measure(scene);
            }
            // A process that is a little late as well: the last steps are the ones that matter.
            let share = random.random_range(0.05..1.05);
            finished += u32::from(work.round(scene, whole.mul_f64(share), round % 2 == 0));
        }
        let told = format!(
            "{}: {finished} of {number} had committed, {whole:?} unharmed\n",
            work.name
        );
        std::io::stdout().write_all(told.as_bytes()).unwrap();
    }
}

#[test]
fn writers_on_disk_killed_a_few_times() {
    rounds(&Scene::on_disk(), WORKS, 4);
}

#[test]
#[ignore = "minutes: a hundred kills of each kind of work"]
fn writers_on_disk_killed_a_hundred_times() {
    rounds(&Scene::on_disk(), WORKS, 100);
}

/// Servers in threads of their own: what is tested here are processes. Each kind of work has one, since the volumes of a
/// small server fill up with broken uploads.
fn on_s3(works: &[Work], number: u32) {
    for work in works {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = runtime.block_on(S3Server::start());
        rounds(
            &Scene::on(&server, runtime.handle()),
            std::slice::from_ref(work),
            number,
        );
    }
}

#[test]
fn writers_on_s3_killed_a_few_times() {
    on_s3(WORKS, 2);
}

#[test]
#[ignore = "minutes: a hundred kills of each kind of work"]
fn writers_on_s3_killed_a_hundred_times() {
    on_s3(WORKS, 100);
}
