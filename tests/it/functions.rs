//! The reference page of the functions is what their table says.

use std::env;
use std::fs;
use std::path::Path;

use dreyer_sky::{geometry, kernel};

/// With `DREYER_UPDATE` set, writes the page instead.
#[test]
fn the_reference_page_is_in_step_with_the_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("extensions/geometry/FUNCTIONS.md");
    let page = kernel::reference::markdown(geometry::specs()).unwrap();
    if env::var_os("DREYER_UPDATE").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page,
        "{} is out of date: run this test with DREYER_UPDATE=1",
        file.display()
    );
}
