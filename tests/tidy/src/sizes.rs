//! How long a file and a function may be, and how heavy a blob: what one person can hold in the head, and what a
//! clone can bear. The lists of exceptions may only shrink.

use crate::{Fault, rust, tree::Tree};

/// Lines of a Rust file, inline tests not counted.
pub const FILE_LINES: usize = 600;
/// Lines of a function, from `fn` to its closing brace; functions of tests are not counted.
pub const FUNCTION_LINES: usize = 70;
/// Bytes of any file.
pub const BLOB_BYTES: usize = 4 << 20;

/// Files above the cap: path, its cap, and why it is not cut.
pub const LONG_FILES: &[(&str, usize, &str)] = &[];
/// Functions above the cap: path, name, its cap, and why it is not cut.
pub const LONG_FUNCTIONS: &[(&str, &str, usize, &str)] = &[];

/// No Rust file is longer than its cap, and no cap is higher than it need be.
pub fn files(tree: &Tree) -> Vec<Fault> {
    long_files(tree, LONG_FILES)
}

fn long_files(tree: &Tree, exceptions: &[(&str, usize, &str)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in tree.texts_ending(".rs") {
        let lines = rust::lines_before_tests(text);
        let exception = exceptions.iter().find(|(file, _, _)| *file == path);
        let cap = exception.map_or(FILE_LINES, |(_, cap, _)| *cap);
        if lines > cap {
            faults.push(Fault::new(
                path,
                cap + 1,
                format!("{lines} lines, cap {cap}: cut it where the idea changes"),
            ));
        } else if exception.is_some() && lines <= FILE_LINES {
            faults.push(Fault::new(path, 0, "short again: take it off LONG_FILES in tests/tidy"));
        }
    }
    let gone = exceptions.iter().filter(|(file, _, _)| tree.text(file).is_none());
    faults.extend(gone.map(|(file, _, _)| Fault::new(file, 0, "is gone: take it off LONG_FILES in tests/tidy")));
    faults
}

/// No function is longer than its cap, and no cap is higher than it need be.
pub fn functions(tree: &Tree) -> Vec<Fault> {
    long_functions(tree, LONG_FUNCTIONS)
}

fn long_functions(tree: &Tree, exceptions: &[(&str, &str, usize, &str)]) -> Vec<Fault> {
    let (mut faults, mut used) = (Vec::new(), Vec::new());
    for (path, text) in tree.texts_ending(".rs").filter(|(path, _)| !is_test(path)) {
        let end = rust::lines_before_tests(text);
        for function in rust::functions(&rust::blanked(text)) {
            let (lines, from) = (function.lines.len(), function.lines.start);
            if lines <= FUNCTION_LINES || from > end {
                continue;
            }
            let exception = exceptions
                .iter()
                .find(|(file, name, _, _)| *file == path && *name == function.name);
            used.extend(exception);
            let cap = exception.map_or(FUNCTION_LINES, |(_, _, cap, _)| *cap);
            if lines > cap {
                let message = format!("fn {} has {lines} lines, cap {cap}: name its steps", function.name);
                faults.push(Fault::new(path, from, message));
            }
        }
    }
    let unused = exceptions.iter().filter(|exception| !used.contains(exception));
    faults.extend(unused.map(|(file, name, _, _)| {
        Fault::new(
            file,
            0,
            format!("fn {name} is short or gone: take it off LONG_FUNCTIONS in tests/tidy"),
        )
    }));
    faults
}

/// No file is too heavy to be cloned by everybody for ever.
pub fn blobs(tree: &Tree) -> Vec<Fault> {
    let heavy = tree.sizes().filter(|(_, bytes)| *bytes > BLOB_BYTES);
    let message = |bytes| format!("{bytes} bytes, cap {BLOB_BYTES}: generate it, or keep it out of the repository");
    heavy.map(|(path, bytes)| Fault::new(path, 0, message(bytes))).collect()
}

/// Whole files of tests and benches; inline tests are found by their attribute.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/") && !path.starts_with("tests/tidy/")
        || path.contains("/tests/")
        || path.starts_with("benches/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_a_fault_unless_its_tests_are_long() {
        let long = "//\n".repeat(FILE_LINES + 1);
        let tested = format!("//\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        let tree = Tree::made_up(&[("a.rs", &long), ("b.rs", &tested), ("c.md", &long)]);
        assert_eq!(
            files(&tree),
            [Fault::new(
                "a.rs",
                601,
                "601 lines, cap 600: cut it where the idea changes"
            )]
        );
        assert_eq!(long_files(&tree, &[("a.rs", 601, "a table")]), []);
        assert_eq!(
            long_files(&tree, &[("a.rs", 601, ""), ("b.rs", 700, ""), ("gone.rs", 700, "")]).len(),
            2
        );
    }

    #[test]
    fn a_long_function_is_a_fault_unless_it_is_a_test() {
        let body = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
        let tested = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", body(90));
        let (short, long) = (body(70), body(71));
        let tree = Tree::made_up(&[
            ("a.rs", &short),
            ("b.rs", &long),
            ("c.rs", &tested),
            ("tests/it/d.rs", &long),
        ]);
        assert_eq!(
            functions(&tree),
            [Fault::new("b.rs", 1, "fn f has 71 lines, cap 70: name its steps")]
        );
        assert_eq!(long_functions(&tree, &[("b.rs", "f", 71, "a table")]), []);
        assert_eq!(
            long_functions(&tree, &[("b.rs", "f", 71, ""), ("a.rs", "f", 71, "")]).len(),
            1
        );
    }

    #[test]
    fn a_heavy_blob_is_a_fault() {
        let heavy = "x".repeat(BLOB_BYTES + 1);
        assert_eq!(blobs(&Tree::made_up(&[("a.parquet", &heavy), ("b", "x")])).len(), 1);
    }
}
