//! `docs/http.md` names a test for each case, range and promise: each of them exists.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the workspace").to_owned()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/http.md")).expect("the page")
}

/// The Rust files below `dir`.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_page_names_exists() {
    let mut files = Vec::new();
    for dir in ["crates/postrider/src", "tests/tests"] {
        sources(&root().join(dir), &mut files);
    }
    let texts: Vec<(&PathBuf, String)> = files
        .iter()
        .map(|path| (path, fs::read_to_string(path).expect("text")))
        .collect();
    let page = page();
    let is_path = |name: &&str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:…".contains(c);
        name.contains("::") && !name.starts_with(':') && name.chars().all(allowed)
    };
    let mut named = 0;
    for name in quoted(&page).filter(is_path) {
        let mut parts = name.rsplit("::");
        let test = parts.next().expect("one part");
        let module = parts.find(|part| *part != "tests" && *part != "…");
        let is_there = texts.iter().any(|(path, text)| {
            let within = |module: &str| {
                path.iter()
                    .any(|p| Path::new(p).with_extension("") == Path::new(module))
            };
            let is_function = text.contains(&format!("fn {test}(")) && module.is_none_or(within);
            is_function || path.file_stem().is_some_and(|stem| stem == test)
        });
        assert!(is_there, "{name} is not there");
        named += 1;
    }
    assert!(named > 100, "{named} found on the page");
}

#[test]
fn every_row_of_the_policy_has_its_test() {
    let page = page();
    let ranges = root().join("crates/postrider/src/http/net/tests/ranges.rs");
    let ranges = fs::read_to_string(ranges).expect("the tests");
    let table = page.split("| Refused |").nth(1).expect("the table");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut tests = 0;
    for row in rows {
        let here = quoted(row).inspect(|name| {
            let exists = name.contains("::") || ranges.contains(&format!("{name}: \""));
            assert!(exists, "{name} is not there");
        });
        let count = here.count();
        assert!(count > 0, "no test: {row}");
        tests += count;
    }
    assert!(tests > 30, "{tests} found on the page");
}
