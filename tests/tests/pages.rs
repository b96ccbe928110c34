//! Pages that name a test for what they promise: each of them exists. `docs/http.md` names one for each case, range and
//! promise, `docs/reliability.md` for each fault.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the workspace").to_owned()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).expect("the page")
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

/// The text of every file that may hold tests.
struct Tests(Vec<(PathBuf, String)>);

impl Tests {
    fn all() -> Tests {
        let mut files = Vec::new();
        for dir in [
            "crates/postrider/src",
            "crates/postrider/tests",
            "tests/tests",
        ] {
            sources(&root().join(dir), &mut files);
        }
        let read = |path: PathBuf| {
            let text = fs::read_to_string(&path).expect("text");
            (path, text)
        };
        Tests(files.into_iter().map(read).collect())
    }

    /// Whether there is a test of that name, by its own or with modules before it. It may begin or end with `…`
    /// where words are left out, or be `*`: any test of the module. A module's name alone does too.
    fn has(&self, name: &str) -> bool {
        let mut parts = name.rsplit("::");
        let test = parts.next().expect("one part");
        let module = parts.find(|part| !["tests", "…"].contains(part));
        let is_named = |function: &str| match (test.strip_prefix('…'), test.strip_suffix('…')) {
            _ if test == "*" => true,
            (Some(end), _) => function.ends_with(end),
            (_, Some(beginning)) => function.starts_with(beginning),
            (None, None) => function == test,
        };
        self.0.iter().any(|(path, text)| {
            let within = |module: &str| {
                path.iter()
                    .any(|p| Path::new(p).with_extension("") == Path::new(module))
            };
            let functions = text.split("fn ").skip(1);
            let mut functions = functions.filter_map(|rest| Some(rest.split_once('(')?.0));
            let is_function = module.is_none_or(within) && functions.any(is_named);
            is_function || path.file_stem().is_some_and(|stem| stem == test)
        })
    }
}

/// Whether it is a name of a test with its module.
fn is_path(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:…*".contains(c);
    name.contains("::") && !name.starts_with(':') && name.chars().all(allowed)
}

#[test]
fn every_test_that_the_http_page_names_exists() {
    let (tests, page) = (Tests::all(), page("http.md"));
    let named: Vec<&str> = quoted(&page).filter(|name| is_path(name)).collect();
    for name in &named {
        assert!(tests.has(name), "{name} is not there");
    }
    assert!(named.len() > 100, "{} found on the page", named.len());
}

#[test]
fn every_test_that_the_reliability_page_names_exists() {
    let (tests, page) = (Tests::all(), page("reliability.md"));
    for name in quoted(&page).filter(|name| is_path(name)) {
        assert!(tests.has(name), "{name} is not there");
    }
    let matrix = page.split("## The fault matrix").nth(1);
    let rows = matrix.expect("the matrix").lines();
    let rows = rows.filter(|line| line.starts_with("| ") && !line.starts_with("| Case"));
    let (mut named, mut cases) = (0, 0);
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [case, found] = cells[..] else {
            panic!("two cells: {row}")
        };
        let is_heading = case.starts_with("| **");
        let mut here = 0;
        for name in quoted(if is_heading { case } else { found }) {
            if name.contains('/') {
                let path = name.replace('…', "crates/postrider/src");
                let of = |dir: &str| root().join(dir).join(&path);
                let is_there = |path: PathBuf| path.exists() || path.with_extension("rs").exists();
                let found = ["", "crates/postrider"].map(of).into_iter().any(is_there);
                assert!(found, "{name} is not there");
            } else {
                assert!(tests.has(name), "{name} is not there");
            }
            here += 1;
        }
        assert!(here > 0 || is_heading, "no test: {row}");
        (named, cases) = (named + here, cases + usize::from(!is_heading));
    }
    assert!(cases > 30 && named > 70, "{cases} cases, {named} tests");
}

#[test]
fn every_row_of_the_policy_has_its_test() {
    let page = page("http.md");
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
