//! Index catalogues: the same rows as without them, from fewer tiles; and never believed when they do not fit.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt8Array, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionConfig;
use dreyer_tiling::SkyOptions;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::sky::{Session, Sky, Star, sorted_ids};
use crate::HatsCatalog;

/// One entry of an index.
#[derive(Clone)]
struct Entry {
    id: i64,
    order: u8,
    pixel: u64,
    cell: i64,
}

/// How an index is written; by default as `hats-import` does.
struct Form {
    parts: usize,
    cells: bool,
    text: bool,
    rows: Option<u64>,
    primary: &'static str,
    column: &'static str,
    created: &'static str,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            parts: 3,
            cells: true,
            text: false,
            rows: None,
            primary: "sky",
            column: "id",
            created: "",
        }
    }
}

fn entries(stars: &[Star], catalog: &HatsCatalog) -> Vec<Entry> {
    let mut entries: Vec<Entry> = stars
        .iter()
        .map(|star| {
            let cell = dreyer_sphere::index29(star.ra, star.dec).unwrap();
            let tile = catalog
                .tiles()
                .iter()
                .find(|tile| tile.cell.range().contains(&cell))
                .unwrap();
            Entry {
                id: star.id,
                order: tile.cell.order(),
                pixel: tile.cell.index(),
                cell: cell as i64,
            }
        })
        .collect();
    entries.sort_by_key(|entry| entry.id);
    entries
}

fn batch(entries: &[Entry], form: &Form) -> RecordBatch {
    let names = || entries.iter().map(|entry| Some(format!("star {}", entry.id)));
    let key: ArrayRef = match form.text {
        true => Arc::new(names().collect::<StringArray>()),
        false => Arc::new(entries.iter().map(|entry| entry.id).collect::<Int64Array>()),
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        (form.column, key),
        (
            "Norder",
            Arc::new(entries.iter().map(|entry| entry.order).collect::<UInt8Array>()),
        ),
        (
            "Npix",
            Arc::new(entries.iter().map(|entry| entry.pixel).collect::<UInt64Array>()),
        ),
    ];
    if form.cells {
        let cells = entries.iter().map(|entry| entry.cell).collect::<Int64Array>();
        columns.push(("_healpix_29", Arc::new(cells)));
    }
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Writes the index catalogue `sky_id` beside `sky`, and the collection of both.
fn write_index(folder: &Path, mut entries: Vec<Entry>, form: &Form) -> PathBuf {
    let index = folder.join("sky_id");
    let parts = index.join("dataset/index");
    let _ = fs::remove_dir_all(&index);
    fs::create_dir_all(&parts).unwrap();
    if form.text {
        entries.sort_by_key(|entry| format!("star {}", entry.id));
    }
    let properties = WriterProperties::builder()
        .set_data_page_row_count_limit(50)
        .set_write_batch_size(50)
        .set_max_row_group_row_count(Some(400))
        .build();
    for (at, part) in entries.chunks(entries.len().div_ceil(form.parts).max(1)).enumerate() {
        let rows = batch(part, form);
        let file = fs::File::create(parts.join(format!("part.{at}.parquet"))).unwrap();
        let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties.clone())).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
    }
    let rows = form.rows.unwrap_or(entries.len() as u64);
    let (column, primary, created) = (form.column, form.primary, form.created);
    let text = format!(
        "obs_collection=sky_id\ndataproduct_type=index\nhats_nrows={rows}\nhats_index_column={column}\n\
         hats_primary_table_url={primary}\nhats_creation_date={created}\n"
    );
    fs::write(index.join("hats.properties"), text).unwrap();
    let text = format!("obs_collection=c\nhats_primary_table_url=sky\nall_indexes={column} sky_id\n");
    fs::write(folder.join("collection.properties"), text).unwrap();
    index
}

async fn indexed(sky: &Sky, form: &Form) -> Session {
    let catalog = sky.session().await.catalog;
    write_index(sky.folder.path(), entries(&sky.stars, &catalog), form);
    Session::open(sky.folder.path()).await
}

fn config(index_max_keys: usize) -> SessionConfig {
    let mut config = SessionConfig::new().with_target_partitions(3);
    let options = SkyOptions {
        index_max_keys,
        ..SkyOptions::default()
    };
    config.options_mut().extensions.insert(options);
    config.options_mut().execution.parquet.metadata_size_hint = Some(4096);
    config
}

/// Tiles read and tiles of the table, as EXPLAIN says.
async fn tiles(session: &Session, sql: &str) -> (usize, usize) {
    let plan = session.text(&format!("EXPLAIN {sql}")).await;
    let Some((_, text)) = plan.split_once("tiles=") else {
        return (0, session.catalog.tiles().len());
    };
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse::<usize>().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[tokio::test]
async fn ids_are_looked_up_without_naming_the_index() {
    let sky = Sky::new(4000, 200, 100).await;
    for form in [
        Form::default(),
        Form {
            cells: false,
            ..Form::default()
        },
    ] {
        let session = indexed(&sky, &form).await;
        assert_eq!(session.catalog.indexes()[0].column(), "id");
        let total = session.catalog.tiles().len();
        for (filter, most) in [
            ("id = 1234", 1),
            ("1234 = id", 1),
            ("id IN (3, 1700, 3999)", 3),
            ("id = 5 OR id = 2222", 2),
            ("id BETWEEN 70 AND 71", 2),
            ("id >= 70 AND id < 72", 3),
            ("id IN (1, 2, 3) AND id > 2", 2),
            ("id = -7", 0),
            ("id = 4000", 0),
            ("id = 4 AND dec > 0", 1),
            ("(id = 4 OR id = 9) AND q3c_radial_query(ra, dec, 0, 90, 100)", 2),
            ("id = 1 OR dec > 89.9", total),
            ("id <> 7", total),
            ("id IS NULL", total),
        ] {
            let sql = format!("SELECT id FROM sky WHERE {filter}");
            let plain = Session::with_config(sky.folder.path(), config(0)).await;
            assert_eq!(session.ids(&sql).await, plain.ids(&sql).await, "{filter}");
            let (read, _) = tiles(&session, &sql).await;
            assert!(read <= most, "{filter}: {read} of {total} tiles");
        }
        let all = session.ids("SELECT id FROM sky").await;
        assert_eq!(all.len(), 4000);
    }
}

#[tokio::test]
async fn a_lookup_takes_few_requests_once_footers_are_known() {
    let sky = Sky::new(20_000, 4000, 500).await;
    let session = indexed(&sky, &Form::default()).await;
    session.ids("SELECT id FROM sky WHERE name <> ''").await;
    session.ids("SELECT id FROM sky WHERE id IN (0, 9000, 19999)").await;
    let mut requests = Vec::new();
    for id in (0..20_000).step_by(397) {
        session.reads.take();
        let found = session
            .ids(&format!("SELECT id, ra, dec FROM sky WHERE id = {id}"))
            .await;
        assert_eq!(found, [id]);
        requests.push(session.reads.take());
    }
    requests.sort_unstable_by_key(|(_, requests)| *requests);
    let (_, median) = requests[requests.len() / 2];
    assert!(median <= 2, "one for the index and one for the leaf: {requests:?}");
    assert!(requests.iter().all(|(bytes, _)| *bytes < 100_000), "{requests:?}");
}

#[tokio::test]
async fn texts_are_keys_too() {
    let sky = Sky::new(3000, 200, 100).await;
    let form = Form {
        text: true,
        column: "name",
        ..Form::default()
    };
    let session = indexed(&sky, &form).await;
    let plain = Session::with_config(sky.folder.path(), config(0)).await;
    for filter in [
        "name = 'star 77'",
        "name IN ('star 1', 'star 2999', 'x')",
        "name BETWEEN 'star 10' AND 'star 100'",
    ] {
        let sql = format!("SELECT id FROM sky WHERE {filter}");
        assert_eq!(session.ids(&sql).await, plain.ids(&sql).await, "{filter}");
        let (read, total) = tiles(&session, &sql).await;
        assert!(read <= 3 && read < total, "{filter}: {read} of {total}");
    }
}

#[tokio::test]
async fn an_index_that_does_not_fit_is_left_alone() {
    let sky = Sky::new(2000, 100, 100).await;
    let catalog = sky.session().await.catalog;
    let right = entries(&sky.stars, &catalog);
    let mut elsewhere = right.clone();
    for entry in &mut elsewhere {
        (entry.order, entry.pixel) = (29, 0);
        entry.cell = -1;
    }
    let fewer = right[1..].to_vec();
    let forms = [
        (fewer.clone(), Form::default(), "fewer rows"),
        (
            fewer,
            Form {
                rows: Some(2000),
                ..Form::default()
            },
            "fewer rows than it says",
        ),
        (
            right.clone(),
            Form {
                primary: "other",
                ..Form::default()
            },
            "another catalogue",
        ),
        (
            right.clone(),
            Form {
                created: "2000-01-01T00:00UTC",
                ..Form::default()
            },
            "older",
        ),
        (elsewhere.clone(), Form::default(), "no such cells"),
        (
            elsewhere,
            Form {
                cells: false,
                ..Form::default()
            },
            "no such tiles",
        ),
        (
            right.clone(),
            Form {
                column: "name",
                ..Form::default()
            },
            "numbers for texts",
        ),
    ];
    // The catalogue itself says when it was made.
    let properties = sky.path().join("hats.properties");
    let dated = fs::read_to_string(&properties).unwrap();
    let dated: String = dated
        .lines()
        .filter(|line| !line.starts_with("hats_creation_date"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&properties, dated + "hats_creation_date=2025-01-01T00:00UTC\n").unwrap();
    for (entries, form, what) in forms {
        write_index(sky.folder.path(), entries, &form);
        let session = Session::open(sky.folder.path()).await;
        let sql = "SELECT id FROM sky WHERE id IN (0, 999, 1999)";
        assert_eq!(session.ids(sql).await, [0, 999, 1999], "{what}");
        let (read, total) = tiles(&session, sql).await;
        assert_eq!(read, total, "{what}");
    }
    let index = write_index(sky.folder.path(), right, &Form::default());
    let part = index.join("dataset/index/part.1.parquet");
    let bytes = fs::read(&part).unwrap();
    for broken in [&bytes[..bytes.len() / 2], &[], b"PAR1PAR1PAR1PAR1"] {
        fs::write(&part, broken).unwrap();
        let session = Session::open(sky.folder.path()).await;
        assert_eq!(session.ids("SELECT id FROM sky WHERE id = 1000").await, [1000]);
    }
    fs::remove_dir_all(index).unwrap();
    let session = Session::open(sky.folder.path()).await;
    assert_eq!(session.ids("SELECT id FROM sky WHERE id = 1000").await, [1000]);
}

#[tokio::test]
async fn a_replaced_index_is_opened_anew() {
    let sky = Sky::new(2000, 100, 100).await;
    let session = indexed(&sky, &Form::default()).await;
    let sql = "SELECT id FROM sky WHERE id = 1000";
    assert_eq!(session.ids(sql).await, [1000]);
    indexed(
        &sky,
        &Form {
            parts: 7,
            ..Form::default()
        },
    )
    .await;
    for _ in 0..3 {
        assert_eq!(session.ids(sql).await, [1000]);
    }
    assert_eq!(tiles(&session, sql).await.0, 1, "the new files serve");
}

/// A table `few` of some ids beside `sky`.
fn few(session: &Session, ids: &[Option<i64>]) {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("mine", DataType::Int64, true),
    ]));
    let column = || Arc::new(ids.iter().copied().collect::<Int64Array>()) as ArrayRef;
    let rows = RecordBatch::try_new(Arc::clone(&schema), vec![column(), column()]).unwrap();
    let table = MemTable::try_new(schema, vec![vec![rows]]).unwrap();
    session.context.register_table("few", Arc::new(table)).unwrap();
}

/// The sum of a counter in what EXPLAIN ANALYZE says.
fn counter(plan: &str, name: &str) -> usize {
    let name = format!("{name}=");
    let values = plan.split(&name).skip(1);
    values
        .map(|text| {
            text.split(|c: char| !c.is_ascii_digit())
                .next()
                .unwrap()
                .parse::<usize>()
                .unwrap()
        })
        .sum()
}

#[tokio::test]
async fn joins_by_id_read_the_tiles_they_need() {
    let sky = Sky::new(6000, 200, 100).await;
    indexed(&sky, &Form::default()).await;
    let joins = [
        "SELECT sky.id FROM few JOIN sky USING (id)",
        "SELECT sky.id FROM sky JOIN few ON sky.id = few.id WHERE dec > 0",
        "SELECT sky.id FROM sky WHERE id IN (SELECT id FROM few)",
        "SELECT few.mine FROM few LEFT JOIN sky USING (id) WHERE few.mine IS NOT NULL",
        "SELECT sky.id FROM sky JOIN few ON sky.id = few.id + 1",
        "SELECT sky.id FROM sky LEFT JOIN few USING (id) WHERE few.mine IS NULL",
        "SELECT count(*) FROM sky WHERE NOT EXISTS (SELECT 1 FROM few WHERE few.id = sky.id)",
    ];
    for ids in [
        vec![Some(17), Some(4000), None, Some(5999), Some(-3)],
        vec![],
        vec![None],
        (0..100).map(|id| Some(id * 3)).collect(),
    ] {
        for collect_left in [true, false] {
            let mut with = config(10_000);
            if !collect_left {
                with.options_mut().optimizer.hash_join_single_partition_threshold = 0;
                with.options_mut().optimizer.hash_join_single_partition_threshold_rows = 0;
            }
            let session = Session::with_config(sky.folder.path(), with).await;
            let plain = Session::with_config(sky.folder.path(), config(0)).await;
            few(&session, &ids);
            few(&plain, &ids);
            for sql in joins {
                assert_eq!(session.ids(sql).await, plain.ids(sql).await, "{sql} {} ids", ids.len());
            }
            if ids.len() == 5 {
                let plan = session.text(&format!("EXPLAIN ANALYZE {}", joins[0])).await;
                let total = session.catalog.tiles().len();
                let skipped = counter(&plan, "tiles_skipped_by_index");
                assert!(skipped >= total - 3, "{skipped} of {total}: {plan}");
                assert_eq!(counter(&plan, "index_keys"), 4, "{plan}");
            }
        }
    }
}

#[tokio::test]
async fn keys_of_a_join_may_be_many() {
    let sky = Sky::new(6000, 100, 100).await;
    indexed(&sky, &Form::default()).await;
    let mut with = config(10_000);
    with.options_mut()
        .optimizer
        .hash_join_inlist_pushdown_max_distinct_values = 10_000;
    with.options_mut().optimizer.hash_join_inlist_pushdown_max_size = 1 << 20;
    let session = Session::with_config(sky.folder.path(), with).await;
    // The stars of the clump, which lie in few tiles.
    let ids: Vec<i64> = (0..6000).filter(|id| matches!(id % 15, 3 | 4)).collect();
    few(&session, &ids.iter().copied().map(Some).collect::<Vec<_>>());
    let sql = "SELECT sky.id FROM few JOIN sky USING (id)";
    assert_eq!(session.ids(sql).await, ids);
    let plan = session.text(&format!("EXPLAIN ANALYZE {sql}")).await;
    let (total, skipped) = (session.catalog.tiles().len(), counter(&plan, "tiles_skipped_by_index"));
    assert!(skipped * 2 > total, "{skipped} of {total}: {plan}");
    assert_eq!(sorted_ids(&session.query(sql).await.unwrap()).len(), ids.len());
}
