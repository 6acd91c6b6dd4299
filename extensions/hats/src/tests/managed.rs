//! Managed tables: written, read by us and by others, changed by several at once.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::prelude::col;
use dreyer_sphere::Cell;
use object_store::ObjectStoreExt;

use super::managed_bench::{Bench, KINDS, LONG, NOW, input, options, range, rows, words};
use super::sky::{Star, batch, stars};
use crate::error::HatsError;
use crate::managed::{Kind, ManagedTable, Steps};

#[tokio::test]
async fn a_table_is_created_appended_compacted_and_dropped() {
    for bench in Bench::both() {
        assert!(bench.open("t").await.is_none());
        let made = bench.create("t", 0, 2000).await.unwrap();
        assert_eq!((made.version(), made.kind(), made.rows()), (1, Kind::Hats, 2000));
        assert!(made.catalog().unwrap().is_sorted());
        assert_eq!(made.catalog().unwrap().rows(), Some(2000));
        assert_eq!(bench.ids("t").await.unwrap(), range(0, 2000));
        assert_eq!(bench.foreign_ids("t").await.unwrap(), range(0, 2000));

        let more = made.append(rows(2000, 2300)).await.unwrap();
        assert_eq!((more.version(), more.increments(), more.rows()), (2, 1, 2300));
        assert!(!made.is_current().await.unwrap() && more.is_current().await.unwrap());
        assert_eq!(bench.ids("t").await.unwrap(), range(0, 2300));
        assert_eq!(
            bench.ids_of(&made).await.unwrap(),
            range(0, 2000),
            "an old version stays what it was"
        );
        assert_eq!(
            bench.foreign_ids("t").await.unwrap(),
            range(0, 2000),
            "the published snapshot"
        );
        let catalog = more.catalog().unwrap();
        assert!(!catalog.is_sorted(), "tiles of two files are not");
        for pair in catalog.tiles().windows(2) {
            assert!(
                pair[0].cell.range().end <= pair[1].cell.range().start,
                "tiles are disjoint"
            );
        }
        let finest = |table: &ManagedTable| {
            table
                .catalog()
                .unwrap()
                .tiles()
                .iter()
                .map(|tile| tile.cell.order())
                .max()
        };
        assert_eq!(
            finest(&more),
            finest(&made),
            "increments are cut along the tiles that are there"
        );

        let report = more.vacuum(LONG).await.unwrap();
        assert_eq!(
            (
                report.version,
                report.merged,
                report.rows,
                report.deleted,
                report.retired
            ),
            (3, 1, 2300, 0, 2)
        );
        let merged = bench.open("t").await.unwrap();
        assert!(merged.catalog().unwrap().is_sorted() && merged.increments() == 0);
        assert_eq!(bench.ids("t").await.unwrap(), range(0, 2300));
        assert_eq!(bench.foreign_ids("t").await.unwrap(), range(0, 2300));
        assert_eq!(
            bench.ids_of(&more).await.unwrap(),
            range(0, 2300),
            "retired files may still be read"
        );
        let report = merged.vacuum(NOW).await.unwrap();
        assert_eq!((report.merged, report.deleted, report.retired), (0, 2, 0));
        assert_eq!(bench.parts("t").await.len(), 1);
        assert!(bench.ids_of(&more).await.is_err());

        bench.open("t").await.unwrap().drop().await.unwrap();
        assert!(bench.open("t").await.is_none());
        assert_eq!(bench.foreign_ids("t").await, None);
        assert_eq!(
            bench.ids_of(&merged).await.unwrap(),
            range(0, 2300),
            "running queries read on"
        );
        assert!(matches!(
            merged.append(rows(0, 1)).await,
            Err(HatsError::Conflict { .. })
        ));

        let again = bench.create("t", 10, 20).await.unwrap();
        assert!(again.version() > report.version);
        assert_eq!(bench.ids("t").await.unwrap(), range(10, 20));
        bench.sweep(NOW).await;
        assert_eq!(bench.ids("t").await.unwrap(), range(10, 20));
        assert_eq!(bench.parts("t").await.len(), 1);
    }
}

#[tokio::test]
async fn rows_without_a_position_are_plain_files() {
    for bench in Bench::both() {
        let made = ManagedTable::create(bench.place("a/words"), words(0, 500), &options())
            .await
            .unwrap();
        assert_eq!((made.kind(), made.catalog().is_none()), (Kind::Parquet, true));
        let more = made.append(words(500, 700)).await.unwrap();
        assert_eq!(bench.ids("a/words").await.unwrap(), range(0, 700));
        assert_eq!(more.table().statistics().unwrap().num_rows.get_value(), Some(&700));
        assert_eq!(bench.foreign_ids("a/words").await, None);
        assert_eq!(more.vacuum(NOW).await.unwrap().merged, 1);
        assert_eq!(bench.ids("a/words").await.unwrap(), range(0, 700));
        let context = bench.context();
        context
            .register_table("w", bench.open("a/words").await.unwrap().table())
            .unwrap();
        let frame = context.table("w").await.unwrap();
        let counted = frame
            .filter(datafusion::prelude::col("id").gt(datafusion::prelude::lit(690)))
            .unwrap();
        assert_eq!(counted.count().await.unwrap(), 9);
        let found = crate::discover(&bench.root.store, &bench.root.path).await.unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|found| (found.schema.as_deref(), found.name.as_str(), found.managed))
            .collect();
        assert_eq!(names, [(Some("a"), "words", true)]);
    }
}

#[tokio::test]
async fn an_empty_table_may_be_filled() {
    for kind in KINDS {
        for bench in Bench::both() {
            let site = bench.site("t", Steps::default());
            let made = ManagedTable::create_as(site, rows(5, 5), &options(), kind)
                .await
                .unwrap();
            assert_eq!(made.rows(), 0);
            assert_eq!(bench.ids("t").await.unwrap(), range(0, 0));
            let same = made.append(rows(3, 3)).await.unwrap();
            assert_eq!(same.version(), 1, "nothing to add is nothing to commit");
            let more = made.append(rows(0, 300)).await.unwrap();
            assert_eq!(bench.ids_of(&more).await.unwrap(), range(0, 300));
            more.vacuum(NOW).await.unwrap();
            assert_eq!(bench.ids("t").await.unwrap(), range(0, 300));
        }
    }
}

#[tokio::test]
async fn new_sky_gets_tiles_of_its_own() {
    let bench = Bench::remote();
    let north: Vec<_> = stars(3000).into_iter().filter(|star| star.dec > 45.0).collect();
    let south: Vec<_> = stars(3000).into_iter().filter(|star| star.dec < -45.0).collect();
    let made = ManagedTable::create(bench.place("t"), input(&batch(&north)), &options())
        .await
        .unwrap();
    let more = made.append(input(&batch(&south))).await.unwrap();
    let catalog = more.catalog().unwrap();
    assert!(catalog.is_sorted(), "every tile is one file still");
    assert_eq!(catalog.rows(), Some((north.len() + south.len()) as u64));
    let mut expected: Vec<i64> = north.iter().chain(&south).map(|star| star.id).collect();
    expected.sort_unstable();
    assert_eq!(bench.ids_of(&more).await.unwrap(), expected);
}

#[tokio::test]
async fn a_part_of_the_sky_is_found_in_snapshot_and_increments() {
    for bench in Bench::both() {
        let sky = stars(4000);
        let table = bench.create("t", 0, 2500).await.unwrap();
        let table = table.append(rows(2500, 3300)).await.unwrap();
        let table = table.append(rows(3300, 4000)).await.unwrap();
        let mut config = datafusion::prelude::SessionConfig::new();
        config
            .options_mut()
            .extensions
            .insert(dreyer_tiling::SkyOptions::default());
        let context = datafusion::prelude::SessionContext::new_with_config(config);
        context.register_object_store(bench.root.url.as_ref(), Arc::clone(&bench.root.store));
        context.register_table("t", table.table()).unwrap();
        for cell in [Cell::new(0, 0), Cell::new(3, 17), Cell::new(4, 2000)].map(Result::unwrap) {
            let range = cell.range();
            let index = |at: u64| datafusion::prelude::lit(at as i64);
            let within = col("_healpix_29").between(index(range.start), index(range.end - 1));
            let frame = context.table("t").await.unwrap().filter(within).unwrap();
            let found = super::sky::sorted_ids(&frame.select_columns(&["id"]).unwrap().collect().await.unwrap());
            let inside = |star: &&Star| range.contains(&dreyer_sphere::index29(star.ra, star.dec).unwrap());
            let expected: Vec<i64> = sky.iter().filter(inside).map(|star| star.id).collect();
            assert_eq!(found, expected);
        }
    }
}

#[tokio::test]
async fn what_lies_there_is_never_written_over() {
    for bench in Bench::both() {
        let exists = |made: Result<ManagedTable, HatsError>| matches!(made, Err(HatsError::Exists { .. }));
        bench.create("t", 0, 10).await.unwrap();
        assert!(exists(bench.create("t", 0, 10).await));
        assert!(exists(bench.create("t", 0, 10).await));
        bench.create("schema/u", 0, 10).await.unwrap();
        assert!(exists(bench.create("schema", 0, 10).await));
        let t = bench.open("t").await.unwrap();
        assert!(exists(t.clone().rename(bench.place("schema")).await));
        assert!(exists(t.clone().rename(bench.place("schema/u")).await));
        assert!(exists(t.rename(bench.place("t")).await));
        assert_eq!(bench.ids("t").await.unwrap(), range(0, 10));
        assert_eq!(bench.ids("schema/u").await.unwrap(), range(0, 10));
    }
}

#[tokio::test]
async fn a_renamed_table_is_in_one_place() {
    for bench in Bench::both() {
        let table = bench.create("a", 0, 600).await.unwrap();
        let table = table.append(rows(600, 700)).await.unwrap();
        let table = table.set_comment(Some("mine")).await.unwrap();
        let moved = table.clone().rename(bench.place("s/b")).await.unwrap();
        assert_eq!(moved.comment(), Some("mine"));
        assert!(bench.open("a").await.is_none() && bench.foreign_ids("a").await.is_none());
        assert!(!table.is_current().await.unwrap() && moved.is_current().await.unwrap());
        assert_eq!(bench.ids("s/b").await.unwrap(), range(0, 700));
        assert_eq!(bench.foreign_ids("s/b").await.unwrap(), range(0, 600));
        assert_eq!(moved.catalog().unwrap().name(), "b");
        moved.append(rows(700, 750)).await.unwrap();
        // The old name is free, also for another table that is renamed to it.
        bench.create("a", 0, 5).await.unwrap().drop().await.unwrap();
        let other = bench.create("c", 0, 7).await.unwrap();
        other.rename(bench.place("a")).await.unwrap();
        assert_eq!(bench.ids("a").await.unwrap(), range(0, 7));
        bench.sweep(NOW).await;
        assert_eq!(bench.ids("a").await.unwrap(), range(0, 7));
        assert_eq!(bench.ids("s/b").await.unwrap(), range(0, 750));
        assert!(bench.ids("c").await.is_none());
        assert_eq!(bench.sweep(NOW).await.removed, Vec::<String>::new());
    }
}

#[tokio::test]
async fn comments_are_of_the_table_and_its_columns() {
    for bench in Bench::both() {
        let table = bench.create("t", 0, 10).await.unwrap();
        let table = table.set_comment(Some("stars")).await.unwrap();
        let table = table.set_column_comment("id", Some("a number")).await.unwrap();
        let told = |table: &ManagedTable, column: &str, key: &str| {
            table
                .schema()
                .field_with_name(column)
                .unwrap()
                .metadata()
                .get(key)
                .cloned()
        };
        assert_eq!(told(&table, "id", "description").as_deref(), Some("a number"));
        assert_eq!(told(&table, "ra", "unit").as_deref(), Some("deg"));
        let opened = table.append(rows(10, 20)).await.unwrap();
        opened.vacuum(NOW).await.unwrap();
        let opened = bench.open("t").await.unwrap();
        assert_eq!(opened.comment(), Some("stars"));
        assert_eq!(told(&opened, "id", "description").as_deref(), Some("a number"));
        assert_eq!(told(&opened, "ra", "unit").as_deref(), Some("deg"));
        let opened = opened
            .set_column_comment("id", None)
            .await
            .unwrap()
            .set_comment(None)
            .await
            .unwrap();
        assert_eq!((told(&opened, "id", "description"), opened.comment()), (None, None));
        let told = opened.set_column_comment("nope", None).await.unwrap_err().to_string();
        assert!(told.contains("got 'nope'"), "{told}");
    }
}

#[tokio::test]
async fn inserted_rows_fit_the_table_or_say_why_not() {
    let bench = Bench::remote();
    let table = bench.create("t", 0, 100).await.unwrap();
    let row = |fields: Vec<(&str, ArrayRef)>| {
        let schema: Vec<_> = fields
            .iter()
            .map(|(name, values)| Field::new(*name, values.data_type().clone(), true))
            .collect();
        let columns = fields.into_iter().map(|(_, values)| values).collect();
        input(&RecordBatch::try_new(Arc::new(Schema::new(schema)), columns).unwrap())
    };
    let degrees = |value: f64| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
    let id = Arc::new(Int32Array::from(vec![100])) as ArrayRef;
    // Another order, a narrower type, no name, an index that is computed anew.
    let index = Arc::new(Int64Array::from(vec![None::<i64>])) as ArrayRef;
    let good = row(vec![
        ("dec", degrees(1.0)),
        ("_healpix_29", index),
        ("id", Arc::clone(&id)),
        ("ra", degrees(2.0)),
    ]);
    let table = table.append(good).await.unwrap();
    assert_eq!(bench.ids_of(&table).await.unwrap(), range(0, 101));
    let parts = bench.parts("t").await;
    let mut refused = Vec::new();
    for bad in [
        row(vec![
            ("id", Arc::clone(&id)),
            ("ra", degrees(2.0)),
            ("dec", degrees(1.0)),
            ("mag", degrees(0.0)),
        ]),
        row(vec![("id", degrees(1.5)), ("ra", degrees(2.0)), ("dec", degrees(1.0))]),
        row(vec![
            ("id", Arc::new(StringArray::from(vec!["x"]))),
            ("ra", degrees(2.0)),
            ("dec", degrees(1.0)),
        ]),
        row(vec![("id", Arc::clone(&id)), ("ra", degrees(2.0))]),
        row(vec![
            ("id", Arc::clone(&id)),
            ("ra", degrees(2.0)),
            ("dec", degrees(f64::NAN)),
        ]),
        row(vec![("id", id), ("ra", degrees(2.0)), ("dec", degrees(91.0))]),
    ] {
        refused.push(table.append(bad).await.unwrap_err().to_string());
    }
    assert!(refused[0].contains("the table has no column 'mag'"), "{refused:#?}");
    assert!(
        refused[1].contains("column 'id' is Int64, which cannot hold 1.5"),
        "{refused:#?}"
    );
    assert_eq!(bench.parts("t").await, parts, "nothing is left of refused rows");
    assert!(table.is_current().await.unwrap());
    let fields = table.schema().fields();
    assert!(fields.iter().skip(1).all(|field| field.is_nullable()));
    assert_eq!(
        table.schema().field_with_name("name").unwrap().data_type(),
        &DataType::Utf8View
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_each_wins_or_is_told() {
    for bench in Bench::both() {
        let bench = Arc::new(bench);
        bench.create("t", 0, 100).await.unwrap();
        let table = bench.open("t").await.unwrap();
        let mut expected = range(0, 100);
        let mut conflicts = 0;
        for round in 0..3 {
            let tasks = (0..6).map(|writer| {
                let (table, from) = (table.clone(), 100 + (round * 6 + writer) * 10);
                tokio::spawn(async move { (from, table.append(rows(from, from + 10)).await) })
            });
            for task in tasks.collect::<Vec<_>>() {
                match task.await.unwrap() {
                    (from, Ok(_)) => expected.extend(range(from as i64, from as i64 + 10)),
                    (_, Err(HatsError::Conflict { fault, .. })) => {
                        assert!(fault.contains("nothing was written"), "{fault}");
                        conflicts += 1;
                    }
                    (_, Err(other)) => panic!("{other}"),
                }
            }
        }
        expected.sort_unstable();
        let now = bench.open("t").await.unwrap();
        assert_eq!(bench.ids_of(&now).await.unwrap(), expected);
        assert!(expected.len() >= 130, "one of each round at least");
        assert_eq!(expected.len() + conflicts * 10, 280);
        assert_eq!(
            bench.parts("t").await.len(),
            1 + now.increments(),
            "losers left nothing"
        );
        // Nobody's creation is lost either.
        let makers = (0..4).map(|maker| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.create("new", maker * 10, maker * 10 + 10).await.is_ok() })
        });
        let mut winners = Vec::new();
        for (maker, task) in makers.collect::<Vec<_>>().into_iter().enumerate() {
            if task.await.unwrap() {
                winners.push(maker as i64 * 10);
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(bench.ids("new").await.unwrap(), range(winners[0], winners[0] + 10));
    }
}

#[tokio::test]
async fn a_compaction_keeps_rows_that_come_meanwhile() {
    for kind in KINDS {
        for bench in Bench::both() {
            let site = bench.site("t", Steps::default());
            let table = ManagedTable::create_as(site, rows(0, 300), &options(), kind)
                .await
                .unwrap();
            let before = table.append(rows(300, 400)).await.unwrap();
            let after = before.append(rows(400, 450)).await.unwrap();
            // Of the version before the last append, as if its data had been written for long.
            before.compacted().await.unwrap();
            let now = bench.open("t").await.unwrap();
            assert_eq!((now.version(), now.increments()), (after.version() + 1, 1));
            assert_eq!(bench.ids_of(&now).await.unwrap(), range(0, 450));
            // The same once more finds nothing of what it has merged.
            let told = before.compacted().await.unwrap_err();
            assert!(matches!(told, HatsError::Conflict { .. }), "{told}");
            assert_eq!(now.vacuum(NOW).await.unwrap().merged, 1);
            assert_eq!(bench.ids("t").await.unwrap(), range(0, 450));
            assert_eq!(bench.parts("t").await.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_copied_table_is_read_by_what_lies_there() {
    let bench = Bench::local();
    let table = bench.create("t", 0, 400).await.unwrap();
    table.append(rows(400, 500)).await.unwrap();
    let (from, to) = (bench.place("t").local.unwrap(), bench.place("copy").local.unwrap());
    assert!(
        std::process::Command::new("cp")
            .arg("-r")
            .args([&from, &to])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(bench.ids("copy").await.unwrap(), range(0, 500));
    let copy = bench.open("copy").await.unwrap().append(rows(500, 510)).await.unwrap();
    assert_eq!(bench.ids_of(&copy).await.unwrap(), range(0, 510));
    assert_eq!(bench.ids("t").await.unwrap(), range(0, 500));
    let leaf = &copy.catalog().unwrap().tiles()[0].files[0];
    let store = &bench.root.store;
    store.put(&leaf.location, "short".into()).await.unwrap();
    assert!(bench.ids_of(&copy).await.is_err());
}
