//! Files of other versions.

use super::*;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

#[test]
fn files_of_version_1_are_read() {
    let data = Data::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inbox-v1");
    for entry in fs::read_dir(fixtures).unwrap() {
        let path = entry.unwrap().path();
        let copy = data.inbox.join(path.file_name().unwrap());
        fs::copy(&path, &copy).unwrap();
        fs::set_permissions(&copy, Permissions::from_mode(0o660)).unwrap();
    }
    let mut taker = data.taker(TakerConfig::default());
    let mut all = Vec::new();
    let taken = take(&mut taker, &mut all);
    assert_eq!(taken.damaged, 1);
    assert!(taken.problems.is_empty(), "{:?}", taken.problems);
    let types: Vec<&str> = all
        .iter()
        .filter_map(|text| text.split('"').nth(7))
        .collect();
    assert_eq!(types, ["injection", "delivery", "bounce"]);
}

#[test]
fn a_later_version_is_named_and_passed_by() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let newer = data.inbox.join("00ffffffffffffff.inbox");
    let mut bytes = fs::read(data.newest()).unwrap();
    bytes[8] = 2;
    fs::write(&newer, bytes).unwrap();
    fs::set_permissions(&newer, Permissions::from_mode(0o660)).unwrap();
    let mut writer = Writer::open(&data.inbox).unwrap();
    append(&mut writer, "old library").unwrap();
    let mut all = Vec::new();
    let taken = take(&mut taker, &mut all);
    assert_eq!(all, ["old library"]);
    let found = Problem::NewerVersion {
        file: 0x00ff_ffff_ffff_ffff,
        found: 2,
    };
    assert_eq!(taken.problems[0].problem, found);
}
