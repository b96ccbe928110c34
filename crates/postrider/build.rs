//! Turns `catalogue.json` into constants and static tables: see `src/event/catalogue.rs`.
//!
//! Ids are published in the C header and in logs. They are given in the file, count from 1 without
//! gaps, and never change: a new type or field takes the next number.

use std::fmt::Write as _;
use std::{env, fs, path::Path};

use serde_json::Value;

#[path = "src/event/names.rs"]
mod names;

/// Bytes of a field's key as the encoder copies it: `,"name":`, padded.
const KEY_BYTES: usize = 32;

fn main() {
    println!("cargo::rerun-if-changed=catalogue.json");
    println!("cargo::rerun-if-changed=src/event/names.rs");
    let text = fs::read_to_string("catalogue.json").expect("catalogue.json is readable");
    let json: Value = serde_json::from_str(&text).expect("catalogue.json is JSON");
    let mut code = String::new();
    let fields = by_id(list(&json, "fields").iter().collect(), "fields");
    write_fields(&mut code, &fields);
    write_types(&mut code, &json, &fields);
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("catalogue.rs"), code).expect("OUT_DIR is writable");
}

fn write_fields(code: &mut String, fields: &[&Value]) {
    constants(code, "fields", "Field", "FieldId", fields);
    let names: Vec<&str> = fields.iter().map(|f| text(f, "name")).collect();
    name_table(code, "FIELD_NAMES", &names);
    writeln!(code, "static FIELDS: [FieldInfo; {}] = [", fields.len()).unwrap();
    for f in fields {
        let name = text(f, "name");
        let mut key = format!(",\"{name}\":").into_bytes();
        let key_len = key.len();
        assert!(key_len <= KEY_BYTES, "{name}: name too long");
        key.resize(KEY_BYTES, b' ');
        let properties: String =
            f["properties"]
                .as_array()
                .into_iter()
                .flatten()
                .fold(String::new(), |mut all, p| {
                    let (name, kind) = (text(p, "name"), kind(p));
                    let description = text(p, "description");
                    write!(
                    all,
                    "Property {{ name: {name:?}, kind: {kind}, description: {description:?} }}, "
                )
                .unwrap();
                    all
                });
        writeln!(
            code,
            "FieldInfo {{ id: FieldId({}), name: {name:?}, kind: {}, description: {:?}, sample: {:?}, \
             properties: &[{properties}], key: Key {{ bytes: {key:?}, len: {key_len} }} }},",
            id(f),
            kind(f),
            text(f, "description"),
            f.get("sample").unwrap_or(&Value::Null).to_string(),
        )
        .unwrap();
    }
    code.push_str("];\n");
}

fn write_types(code: &mut String, json: &Value, fields: &[&Value]) {
    let field_id = |name: &str| {
        let of = fields.iter().find(|f| text(f, "name") == name);
        id(of.unwrap_or_else(|| panic!("no field is named {name}")))
    };
    let categories = list(json, "categories");
    let mut types = Vec::new();
    writeln!(
        code,
        "static CATEGORIES: [Category; {}] = [",
        categories.len()
    )
    .unwrap();
    for c in categories {
        let ids: Vec<String> = list(c, "types")
            .iter()
            .map(|t| format!("TypeId({})", id(t)))
            .collect();
        writeln!(
            code,
            "Category {{ name: {:?}, display: {:?}, description: {:?}, types: &[{}] }},",
            text(c, "name"),
            text(c, "display"),
            text(c, "description"),
            ids.join(", "),
        )
        .unwrap();
        types.extend(list(c, "types"));
    }
    code.push_str("];\n");
    let types = by_id(types, "types");
    constants(code, "types", "Event type", "TypeId", &types);
    let names: Vec<&str> = types.iter().map(|t| text(t, "name")).collect();
    name_table(code, "TYPE_NAMES", &names);
    writeln!(code, "static TYPES: [TypeInfo; {}] = [", types.len()).unwrap();
    for t in types {
        let category = categories
            .iter()
            .position(|c| list(c, "types").iter().any(|other| id(other) == id(t)))
            .expect("each type was taken from a category");
        let ids: Vec<String> = list(t, "fields")
            .iter()
            .map(|f| {
                format!(
                    "FieldId({})",
                    field_id(f.as_str().expect("field names are text"))
                )
            })
            .collect();
        let samples: String = t["samples"].as_object().into_iter().flatten().fold(
            String::new(),
            |mut all, (f, v)| {
                write!(all, "(FieldId({}), {:?}), ", field_id(f), v.to_string()).unwrap();
                all
            },
        );
        let (name, category_name) = (text(t, "name"), text(&categories[category], "name"));
        let prefix = format!("{{\"msys\":{{\"{category_name}\":{{\"type\":\"{name}\"");
        writeln!(
            code,
            "TypeInfo {{ id: TypeId({}), name: {name:?}, display: {:?}, description: {:?}, category: {category}, \
             fields: &[{}], samples: &[{samples}], prefix: {prefix:?} }},",
            id(t),
            text(t, "display"),
            text(t, "description"),
            ids.join(", "),
        )
        .unwrap();
    }
    code.push_str("];\n");
}

/// A module of documented constants, one per name.
fn constants(code: &mut String, module: &str, what: &str, ty: &str, items: &[&Value]) {
    writeln!(
        code,
        "/// {what}s of the catalogue, by name.\npub mod {module} {{ use super::{ty};"
    )
    .unwrap();
    for item in items {
        let name = text(item, "name");
        let description = text(item, "description");
        writeln!(code, "/// {what} `{name}`: {description}.").unwrap();
        writeln!(
            code,
            "pub const {}: {ty} = {ty}({});",
            name.to_uppercase(),
            id(item)
        )
        .unwrap();
    }
    code.push_str("}\n");
}

/// A table in which each name's hash has a slot of its own.
fn name_table(code: &mut String, constant: &str, all: &[&str]) {
    let (factor, slots) = names::build(all).expect("a factor that separates the names");
    writeln!(
        code,
        "static {constant}: names::Names = names::Names {{ factor: {factor}, slots: {slots:?} }};"
    )
    .unwrap();
}

/// The items ordered by id; stops the build where ids do not count from 1 without gaps.
fn by_id<'a>(mut items: Vec<&'a Value>, what: &str) -> Vec<&'a Value> {
    items.sort_by_key(|item| id(item));
    for (i, item) in items.iter().enumerate() {
        assert_eq!(
            id(item),
            i as u64 + 1,
            "{what}: ids count from 1 without gaps"
        );
    }
    assert!(items.len() <= 255, "{what}: at most 255");
    items
}

fn kind(item: &Value) -> &'static str {
    match text(item, "type") {
        "string" => "JsonType::String",
        "boolean" => "JsonType::Boolean",
        "integer" => "JsonType::Integer",
        "number" => "JsonType::Number",
        "object" => "JsonType::Object",
        "array" => "JsonType::Array",
        other => panic!("{other} is not a JSON type"),
    }
}

fn id(item: &Value) -> u64 {
    item["id"]
        .as_u64()
        .unwrap_or_else(|| panic!("{item} needs an id"))
}

fn text<'a>(item: &'a Value, key: &str) -> &'a str {
    item[key]
        .as_str()
        .unwrap_or_else(|| panic!("{item} needs {key}"))
}

fn list<'a>(item: &'a Value, key: &str) -> &'a [Value] {
    item[key]
        .as_array()
        .unwrap_or_else(|| panic!("{item} needs {key}"))
}
