//! Writes that are killed at each of their steps in turn: the table is the old one or the new one, a sweep removes what
//! is left, and the next write works.

use std::collections::BTreeSet;

use object_store::ObjectStoreExt;

use super::managed_bench::{Bench, KINDS, LONG, NOW, few_rows as rows, options, range};
use crate::managed::{Kind, ManagedTable, Steps, sweep};

/// More steps than any write has.
const MOST: usize = 60;

/// Runs `write` on fresh tables, stopped at its first step, at its second, and so on until it ends by itself; after each
/// stop `check` looks at what is there.
async fn killed_at_each_step(
    write: impl AsyncFn(&Bench, Steps, Kind),
    check: impl AsyncFn(&Bench, &str, Kind),
) -> BTreeSet<&'static str> {
    let mut seen = BTreeSet::new();
    for local in [true, false] {
        for kind in KINDS {
            for n in 0.. {
                assert!(n < MOST, "it never ends");
                let bench = if local { Bench::local() } else { Bench::remote() };
                let stopped = Steps::stopping_at(n, async |steps| write(&bench, steps, kind).await).await;
                let step = stopped.err().unwrap_or("the end");
                check(&bench, step, kind).await;
                seen.insert(step);
                if stopped.is_ok() {
                    break;
                }
            }
        }
    }
    seen
}

async fn create(bench: &Bench, name: &str, steps: Steps, kind: Kind, to: usize) -> ManagedTable {
    let site = bench.site(name, steps);
    ManagedTable::create_as(site, rows(0, to), &options(), kind)
        .await
        .unwrap()
}

/// The table with steps that stop.
async fn opened(bench: &Bench, name: &str, steps: Steps) -> ManagedTable {
    ManagedTable::open_at(bench.site(name, steps)).await.unwrap().unwrap()
}

/// What must hold whatever happened: foreign readers see nothing or all rows of some version; a sweep within the grace
/// period removes nothing that is new; one after it leaves the parts of the table alone; the next write works.
async fn sound(bench: &Bench, name: &str, step: &str, kind: Kind, versions: &[Vec<i64>]) {
    let before = bench.ids(name).await;
    if let Some(foreign) = bench.foreign_ids(name).await {
        assert!(versions.contains(&foreign), "{step}: foreign readers");
    }
    let early = sweep(&bench.root, LONG, false).await.unwrap();
    assert_eq!(early.removed, Vec::<String>::new(), "{step}: within the grace period");
    assert_eq!(bench.ids(name).await, before, "{step}: after an early sweep");
    let planned = sweep(&bench.root, NOW, true).await.unwrap();
    let swept = bench.sweep(NOW).await;
    assert!(swept.left.is_empty(), "{step}: {swept:?}");
    // What a dry sweep cannot know is that folders become empty.
    assert!(
        planned.removed.iter().all(|path| swept.removed.contains(path)),
        "{step}: {planned:?} {swept:?}"
    );
    assert_eq!(bench.ids(name).await, before, "{step}: after a sweep");
    let again = bench.sweep(NOW).await;
    assert_eq!((again.removed.len(), again.repaired.len()), (0, 0), "{step}: {again:?}");
    let parts = bench.parts(name).await.len();
    match bench.open(name).await {
        Some(table) => {
            assert_eq!(parts, 1 + table.increments(), "{step}: leftovers");
            if kind == Kind::Hats {
                assert!(bench.foreign_ids(name).await.is_some(), "{step}: published");
            }
            let last = usize::try_from(*before.iter().flatten().max().unwrap()).unwrap() + 1;
            table.append(rows(last, last + 5)).await.unwrap();
            assert_eq!(
                bench.ids(name).await.unwrap().len(),
                before.unwrap().len() + 5,
                "{step}: the next write"
            );
        }
        None => {
            assert_eq!((parts, bench.foreign_ids(name).await), (0, None), "{step}: leftovers");
            create(bench, name, Steps::default(), kind, 20).await;
            assert_eq!(bench.ids(name).await.unwrap(), range(0, 20), "{step}: the next write");
        }
    }
}

#[tokio::test]
async fn a_killed_create_makes_a_table_or_none() {
    let seen = killed_at_each_step(
        async |bench, steps, kind| {
            create(bench, "t", steps, kind, 30).await;
        },
        async |bench, step, kind| {
            let ids = bench.ids("t").await;
            let committed = ["manifest committed", "published", "the end"].contains(&step);
            assert_eq!(ids, committed.then(|| range(0, 30)), "{step}");
            sound(bench, "t", step, kind, &[range(0, 30)]).await;
        },
    );
    assert!(
        seen.await
            .is_superset(&["data written", "locked", "manifest staged", "manifest committed"].into())
    );
}

#[tokio::test]
async fn a_killed_append_adds_all_rows_or_none() {
    let seen = killed_at_each_step(
        async |bench, steps, kind| {
            create(bench, "t", Steps::default(), kind, 30).await;
            opened(bench, "t", steps).await.append(rows(30, 34)).await.unwrap();
        },
        async |bench, step, kind| {
            let committed = ["manifest committed", "the end"].contains(&step);
            let expected = range(0, if committed { 34 } else { 30 });
            assert_eq!(bench.ids("t").await.unwrap(), expected, "{step}");
            sound(bench, "t", step, kind, &[range(0, 30)]).await;
        },
    );
    assert!(seen.await.len() >= 5);
}

#[tokio::test]
async fn a_killed_compaction_keeps_every_row() {
    let seen = killed_at_each_step(
        async |bench, steps, kind| {
            let table = create(bench, "t", Steps::default(), kind, 30).await;
            table.append(rows(30, 34)).await.unwrap();
            opened(bench, "t", steps).await.vacuum(NOW).await.unwrap();
        },
        async |bench, step, kind| {
            assert_eq!(bench.ids("t").await.unwrap(), range(0, 34), "{step}");
            sound(bench, "t", step, kind, &[range(0, 30), range(0, 34)]).await;
        },
    );
    let seen = seen.await;
    assert!(
        seen.is_superset(&["manifest committed", "published", "retired folder deleted"].into()),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_killed_drop_drops_or_does_not() {
    let seen = killed_at_each_step(
        async |bench, steps, kind| {
            create(bench, "t", Steps::default(), kind, 30).await;
            opened(bench, "t", steps).await.drop().await.unwrap();
        },
        async |bench, step, kind| {
            let dropped = ["tombstone committed", "the end"].contains(&step);
            assert_eq!(bench.ids("t").await, (!dropped).then(|| range(0, 30)), "{step}");
            sound(bench, "t", step, kind, &[range(0, 30)]).await;
        },
    );
    assert!(seen.await.contains("tombstone committed"));
}

#[tokio::test]
async fn a_killed_rename_leaves_one_table_under_one_name() {
    let seen = killed_at_each_step(
        async |bench, steps, kind| {
            create(bench, "old", Steps::default(), kind, 30).await;
            // A tombstone in the way.
            create(bench, "new", Steps::default(), kind, 10)
                .await
                .drop()
                .await
                .unwrap();
            let table = opened(bench, "old", steps).await;
            table.rename(bench.place("new")).await.unwrap();
        },
        async |bench, step, kind| {
            let (old, new) = (bench.ids("old").await, bench.ids("new").await);
            assert!(old.is_some() != new.is_some(), "{step}: under one name");
            assert_eq!(old.or(new).unwrap(), range(0, 30), "{step}");
            // Which name it is stays so; the other is free.
            let (there, free) = if bench.open("new").await.is_some() {
                ("new", "old")
            } else {
                ("old", "new")
            };
            sound(bench, there, step, kind, &[range(0, 30)]).await;
            assert!(bench.open(free).await.is_none(), "{step}");
            create(bench, free, Steps::default(), kind, 7).await;
            assert_eq!(bench.ids(free).await.unwrap(), range(0, 7), "{step}");
            assert_eq!(bench.ids(there).await.unwrap().len(), 35, "{step}");
        },
    );
    let seen = seen.await;
    let expected = [
        "folder renamed",
        "files copied",
        "pending there",
        "tombstone here",
        "unpublished here",
    ];
    assert!(seen.is_superset(&expected.into()), "{seen:?}");
}

#[tokio::test]
async fn a_move_that_is_broken_off_cannot_be_completed() {
    let bench = Bench::remote();
    create(&bench, "old", Steps::default(), Kind::Hats, 100).await;
    let steps = killed_at(&bench, "pending there").await;
    assert!(steps);
    assert!(bench.open("new").await.is_none());
    let told = bench.create("new", 0, 5).await.unwrap_err().to_string();
    assert!(told.contains("being renamed"), "{told}");
    let before = bench.open("old").await.unwrap();
    let swept = bench.sweep(NOW).await;
    assert!(
        swept
            .repaired
            .iter()
            .any(|what| what.starts_with("new: was being renamed to")),
        "{swept:?}"
    );
    assert!(
        !before.is_current().await.unwrap(),
        "so the tombstone of the move would be refused"
    );
    assert_eq!(bench.ids("old").await.unwrap(), range(0, 100));
    bench.create("new", 0, 5).await.unwrap();
}

async fn killed_at(bench: &Bench, wanted: &str) -> bool {
    for n in 0..MOST {
        let table = opened(bench, "old", Steps::default()).await;
        let stopped = Steps::stopping_at(n, async |steps| {
            let mut table = table;
            table.site.steps = steps;
            table.rename(bench.place("new")).await.unwrap();
        });
        if stopped.await == Err(wanted) {
            return true;
        }
        bench.sweep(NOW).await;
    }
    false
}

#[tokio::test]
async fn a_sweep_knows_ours_from_others() {
    let bench = Bench::local();
    let root = bench.root.local.clone().unwrap();
    bench.create("s/t", 0, 50).await.unwrap();
    let kept = [
        "s/data.csv",
        "s/s-notes/a.parquet",
        "s/t/README",
        "other/dataset/Norder=0/x.parquet",
        "s/.hidden/file",
        ".t.lock",
    ];
    let id = "0".repeat(28);
    let gone = [
        format!("s/t/s-{id}/dataset/x.parquet"),
        format!("s/t/i-{id}/half.parquet#1"),
        format!("s/never/s-{id}/x.parquet"),
        format!("s/t/.dreyer-staged-{id}"),
        format!("s/.dreyer-dropped-{id}/dreyer.manifest.json"),
        "s/.gone.dreyer-lock".to_owned(),
        ".sky.import/dataset/x.parquet".to_owned(),
        ".sky.import.lock".to_owned(),
    ];
    for path in kept.iter().copied().chain(gone.iter().map(String::as_str)) {
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), "x").unwrap();
    }
    assert_eq!(
        sweep(&bench.root, LONG, false).await.unwrap().removed,
        Vec::<String>::new()
    );
    let swept = bench.sweep(NOW).await;
    assert_eq!(swept.removed.len(), gone.len(), "{swept:?}");
    assert!(kept.iter().all(|path| root.join(path).exists()));
    assert!(gone.iter().all(|path| !root.join(path).exists()), "{swept:?}");
    assert!(!root.join("s/never").exists());
    assert_eq!(bench.ids("s/t").await.unwrap(), range(0, 50));
    // A manifest that cannot be read stands for a table that must not be touched.
    let manifest = bench.place("s/t").path.join("dreyer.manifest.json");
    bench
        .root
        .store
        .put(&manifest, "{\"dreyer_manifest\":9}".into())
        .await
        .unwrap();
    let parts = bench.parts("s/t").await;
    let swept = bench.sweep(NOW).await;
    assert_eq!((swept.removed.len(), swept.left.len()), (0, 1), "{swept:?}");
    assert_eq!(bench.parts("s/t").await, parts);
}

#[tokio::test]
async fn a_sweep_clears_imports_that_died_on_an_object_store() {
    let bench = Bench::remote();
    let put = async |path: &str| {
        let path = bench.root.object(path);
        bench.root.store.put(&path, "x".into()).await.unwrap();
    };
    for path in [
        "dead/.dreyer-import",
        "dead/dataset/x.parquet",
        "whole/.dreyer-import",
        "whole/hats.properties",
        "upload/notes.csv",
        "full/.dreyer-import",
        "full/t/dreyer.manifest.json",
    ] {
        put(path).await;
    }
    assert_eq!(bench.sweep(LONG).await.removed, Vec::<String>::new());
    let swept = bench.sweep(NOW).await;
    assert_eq!(swept.removed, ["dead"]);
    assert_eq!(swept.repaired.len(), 1, "{swept:?}");
    assert_eq!(
        swept.left.len(),
        2,
        "a folder that holds a table, and its manifest: {swept:?}"
    );
    let left = bench.root.store.list(Some(&bench.root.path));
    let left: Vec<_> = futures::TryStreamExt::try_collect::<Vec<_>>(left).await.unwrap();
    let mut left: Vec<_> = left.iter().map(|file| file.location.as_ref()).collect();
    left.sort_unstable();
    let kept = [
        "root/full/.dreyer-import",
        "root/full/t/dreyer.manifest.json",
        "root/upload/notes.csv",
        "root/whole/hats.properties",
    ];
    assert_eq!(left, kept);
}
