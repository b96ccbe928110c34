//! What the header promises, read from its text.

/// A function that the header declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Whether a comment stands right before it.
    pub documented: bool,
}

/// The functions that the header declares and the library must export: prototypes, not inline
/// functions.
pub fn functions(header: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut previous = "";
    for line in header.lines() {
        let declares = line.starts_with(|c: char| c.is_ascii_lowercase())
            && !line.starts_with("typedef")
            && !line.starts_with("static");
        let name = line
            .split_once('(')
            .map(|(before, _)| before.rsplit([' ', '*']).next().unwrap_or_default());
        if let Some(name) = name.filter(|name| declares && name.starts_with("postrider_")) {
            found.push(Function {
                name: name.to_owned(),
                documented: previous.trim_end().ends_with("*/"),
            });
        }
        previous = line;
    }
    found.sort();
    found
}

/// The values of `#define NAME (-123)` or `#define NAME 123u`, for names with this start.
pub fn numbers(header: &str, start: &str) -> Vec<(String, i64)> {
    let defines = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define "));
    let number = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let value = words.next()?.trim_matches(['(', ')', 'u']).parse().ok()?;
        name.starts_with(start).then(|| (name.to_owned(), value))
    };
    defines.filter_map(number).collect()
}
