//! What a catalogue promises of its index: that it is exactly the cell of each row's position, and when it does not.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::physical_plan::ExecutionPlan;
use dreyer_sphere::index29;
use dreyer_tiling::TilingSource;

use super::managed_bench::{Bench, rows};
use super::sky::{Session, Sky, input_of, open, stars};
use crate::import::{ImportOptions, Place, import};
use crate::{HatsTilingSource, INDEX_IS_OF_PROPERTY};

fn leaf(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match plan.children().first() {
        Some(child) => leaf(Arc::clone(child)),
        None => plan,
    }
}

async fn tiling_is_exact(session: &Session, sql: &str) -> bool {
    let plan = leaf(session.plan(sql).await.unwrap());
    HatsTilingSource.tiling(&plan).unwrap().index_exact
}

/// Rows of which one number differs from what the index says.
async fn strays(session: &Session) -> usize {
    let batches = session.query("SELECT _healpix_29, ra, dec FROM sky").await.unwrap();
    let stray = |batch: &RecordBatch| {
        let number = |at: usize| batch.column(at).as_primitive::<Float64Type>().values().to_vec();
        let cells = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        let places = number(1).into_iter().zip(number(2));
        let told = places.map(|(lon, lat)| index29(lon, lat).map(|index| index.cast_signed()));
        told.zip(cells).filter(|(told, cell)| *told != Some(*cell)).count()
    };
    batches.iter().map(stray).sum()
}

fn edit(catalog: &Path, from: &str, to: &str) {
    for name in ["hats.properties", "properties"] {
        let text = fs::read_to_string(catalog.join(name)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(catalog.join(name), text.replace(from, to)).unwrap();
    }
}

#[tokio::test]
async fn an_import_vouches_for_the_index_it_computed() {
    let sky = Sky::new(2000, 300, 100).await;
    let session = sky.session().await;
    assert!(session.catalog.index_exact());
    assert!(tiling_is_exact(&session, "SELECT ra, dec FROM sky").await);
    assert!(tiling_is_exact(&session, "SELECT id FROM sky WHERE id < 7").await);
    assert_eq!(strays(&session).await, 0);
    let promised = session.catalog.properties().get(INDEX_IS_OF_PROPERTY);
    assert_eq!(promised, Some("ra,dec"));
}

#[tokio::test]
async fn a_catalogue_that_another_program_wrote_promises_nothing() {
    for (from, to) in [
        ("hats_builder=dreyer v", "hats_builder=lsdb v0.10, dreyer v"),
        ("dreyer_index_is_of=ra,dec", "dreyer_index_is_of=ra_1,dec_1"),
        ("dreyer_index_is_of=ra,dec\n", ""),
        ("hats_col_ra=ra", "hats_col_ra=id"),
    ] {
        let sky = Sky::new(100, 50, 50).await;
        edit(&sky.path(), from, to);
        assert!(!open(&sky.path()).await.unwrap().index_exact(), "{to}");
    }
}

#[tokio::test]
async fn an_index_of_the_input_is_replaced_and_rounded_positions_are_told() {
    let stars = stars(500);
    let lon: Vec<f64> = stars.iter().map(|star| star.ra).collect();
    let lat: Vec<f64> = stars.iter().map(|star| star.dec).collect();
    let wrong: ArrayRef = Arc::new(Int64Array::from_iter_values(0..500));
    let double = |values: &[f64]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
    let cast_to = |values: &[f64], kind: DataType| cast(&double(values), &kind).unwrap();
    let single = |values: &[f64]| cast_to(values, DataType::Float32);
    let whole = |values: &[f64]| cast_to(values, DataType::Int64);
    for (ra, dec, exact) in [
        (double(&lon), double(&lat), true),
        (single(&lon), double(&lat), false),
        (double(&lon), single(&lat), false),
        (whole(&lon), whole(&lat), false),
    ] {
        let columns = [("_healpix_29", Arc::clone(&wrong)), ("ra", ra), ("dec", dec)];
        let input = input_of(vec![RecordBatch::try_from_iter(columns).unwrap()]).await;
        let folder = tempfile::tempdir().unwrap();
        let place = Place::local(folder.path().join("sky")).unwrap();
        import(input, &place, &ImportOptions::new("sky"), &()).await.unwrap();
        let session = Session::open(&folder.path().join("sky")).await;
        assert_eq!(session.catalog.index_exact(), exact);
        if exact {
            assert_eq!(strays(&session).await, 0);
        }
    }
}

#[tokio::test]
async fn tables_that_sql_writes_vouch_with_all_their_parts() {
    for bench in Bench::both() {
        let made = bench.create("t", 0, 300).await.unwrap();
        assert!(made.catalog().unwrap().index_exact());
        let more = made.append(rows(300, 400)).await.unwrap();
        assert!(more.catalog().unwrap().index_exact());
        let mut manifest = more.manifest().clone();
        manifest.increments[0].properties.remove(INDEX_IS_OF_PROPERTY);
        let mixed = crate::managed::opened::catalog(&more.site, &manifest, Arc::clone(more.schema())).unwrap();
        assert!(!mixed.index_exact(), "a part of old promises nothing");
    }
}
