//! Composes `include/postrider.h`: the story, the functions with their docs as cbindgen finds them
//! in `ffi/src`, the event catalogue's numbers, and the inline functions that make fields.
//!
//! cbindgen runs once per source file, so that the order of the header is the order of
//! `SECTIONS`, each under a banner that says whom it is for.

use std::fmt::Write as _;
use std::path::Path;

use cbindgen::{Builder, Config, DocumentationLength, DocumentationStyle, Language, Style};
use postrider::event::Catalogue;

/// A part of the header: its title, and the sources in `ffi/src` that it is made from.
const SECTIONS: &[(&str, &[&str])] = &[
    ("Status: what a call answers", &["error"]),
    ("Settings, for an engine", &["config", "log"]),
    ("Opening, flushing, closing", &["lifecycle"]),
    ("Fields of an event", &["field"]),
    ("Pushing", &["push"]),
    ("What the library allocates", &["buffer"]),
    ("The REST API as a call", &["api"]),
    ("Figures", &["stats"]),
    ("Version of the library", &["version"]),
];

/// Rust's names and those of C.
const NAMES: &[(&str, &str)] = &[
    ("Status", "postrider_status"),
    ("Handle", "postrider"),
    ("Config", "postrider_config"),
    ("LogFn", "postrider_log_fn"),
    ("Field", "postrider_field"),
    ("FieldValue", "postrider_value"),
    ("PushWish", "postrider_push_options"),
    ("ApiRequest", "postrider_api_request"),
    ("ApiCall", "postrider_api_call"),
    ("Stats", "postrider_statistics"),
    ("Buffer", "postrider_buffer"),
];

/// The text of `include/postrider.h`.
pub fn header() -> String {
    let mut out = String::new();
    out.push_str(include_str!("../text/story.h"));
    out.push_str("\n#ifndef POSTRIDER_H\n#define POSTRIDER_H\n\n");
    out.push_str("/* Written by `cargo run -p postrider-header -- write`. */\n\n");
    out.push_str("#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n\n");
    version(&mut out);
    out.push_str(include_str!("../text/common.h"));
    out.push_str("\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    for (title, files) in SECTIONS {
        banner(&mut out, title);
        let parts = files
            .iter()
            .map(|file| bindings(&sources.join(file).with_extension("rs")));
        out.push_str(&parts.collect::<Vec<_>>().join("\n"));
    }
    out.push_str("\n#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n");
    banner(&mut out, "Making fields");
    out.push_str(include_str!("../text/inline.h"));
    banner(&mut out, "The event catalogue: numbers never change");
    catalogue(&mut out);
    out.push_str("\n#endif /* POSTRIDER_H */\n");
    out
}

fn banner(out: &mut String, title: &str) {
    writeln!(out, "\n\n/* {} */", "-".repeat(110)).unwrap();
    writeln!(
        out,
        "/* {title}{} */",
        " ".repeat(110 - title.chars().count())
    )
    .unwrap();
    writeln!(out, "/* {} */\n", "-".repeat(110)).unwrap();
}

fn version(out: &mut String) {
    let parts = env!("CARGO_PKG_VERSION").split('.');
    let parts: Vec<u32> = parts
        .map(|part| part.parse().expect("the version is three numbers"))
        .collect();
    writeln!(
        out,
        "/** The version of this header; the library's own is `postrider_version()`. */"
    )
    .unwrap();
    writeln!(
        out,
        "#define POSTRIDER_VERSION \"{}\"",
        env!("CARGO_PKG_VERSION")
    )
    .unwrap();
    for (name, part) in ["MAJOR", "MINOR", "PATCH"].iter().zip(&parts) {
        writeln!(out, "#define POSTRIDER_VERSION_{name} {part}").unwrap();
    }
}

/// What cbindgen makes of one file. It sees that file alone, so what is opaque stands in
/// `text/common.h`.
fn bindings(source: &Path) -> String {
    let mut config = Config {
        language: Language::C,
        style: Style::Both,
        cpp_compat: false,
        no_includes: true,
        documentation: true,
        documentation_style: DocumentationStyle::Doxy,
        documentation_length: DocumentationLength::Full,
        line_length: 110,
        tab_width: 4,
        usize_is_size_t: true,
        ..Config::default()
    };
    config.export.rename = NAMES
        .iter()
        .map(|(rust, c)| ((*rust).into(), (*c).into()))
        .collect();
    // In its file no function takes it.
    config.export.include = vec!["Field".into()];
    config.export.exclude = ["Config", "Handle", "ApiCall"].map(String::from).to_vec();
    let bindings = Builder::new()
        .with_config(config)
        .with_src(source)
        .generate();
    let bindings = bindings.unwrap_or_else(|e| panic!("{}: {e}", source.display()));
    let mut text = Vec::new();
    bindings.write(&mut text);
    tidy(&String::from_utf8(text).expect("cbindgen writes UTF-8"))
}

/// What cbindgen has no setting for: comments of one line on one line, Rust's `# Safety` in words
/// for C, negative numbers in parentheses.
fn tidy(text: &str) -> String {
    let text = text.replace(" * # Safety\n *\n * ", " * Requires: ");
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let alone = |comment: &str| comment.starts_with(" * ").then(|| comment[3..].to_owned());
        let comment = (line.trim_start() == "/**").then(|| lines.peek()).flatten();
        if let Some(comment) = comment.and_then(|next| alone(next.trim_start_matches("    "))) {
            let indent = &line[..line.len() - 3];
            let first = lines.next().expect("just peeked at");
            if lines.peek().is_some_and(|next| next.trim_start() == "*/") {
                lines.next();
                writeln!(out, "{indent}/** {comment} */").unwrap();
            } else {
                writeln!(out, "{line}\n{first}").unwrap();
            }
            continue;
        }
        match line.split_once(" -") {
            Some((name, number)) if name.starts_with("#define ") => {
                writeln!(out, "{name} (-{number})").unwrap()
            }
            _ => writeln!(out, "{line}").unwrap(),
        }
    }
    out
}

fn catalogue(out: &mut String) {
    for category in Catalogue::categories() {
        writeln!(out, "/* {}: {} */", category.name, category.description).unwrap();
        for info in category
            .types
            .iter()
            .filter_map(|&id| Catalogue::type_info(id))
        {
            let name = format!("POSTRIDER_TYPE_{}", info.name.to_uppercase());
            writeln!(
                out,
                "#define {name:<48} {:>3}u /**< {} */",
                info.id.0, info.description
            )
            .unwrap();
        }
        out.push('\n');
    }
    out.push_str("/* Fields, of all types; docs/events.md tells which type has which. */\n");
    for field in Catalogue::fields() {
        let name = format!("POSTRIDER_FIELD_{}", field.name.to_uppercase());
        writeln!(
            out,
            "#define {name:<48} {:>3}u /**< {} */",
            field.id.0, field.description
        )
        .unwrap();
    }
}
