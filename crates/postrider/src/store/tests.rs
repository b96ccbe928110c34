use super::*;
use crate::fs::sim::SimFs;
use crate::fs::{Open, RealFs};
use crate::webhook::{Auth, CustomHeader, Limits, SigningKey, Subaccounts};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

fn webhook(n: u128) -> Webhook {
    Webhook {
        id: Uuid::from_u128(n),
        revision: 3,
        name: "Example webhook".into(),
        target: "https://example.com/hook".into(),
        events: vec!["delivery".into(), "bounce".into()],
        active: true,
        auth: Auth::Basic {
            username: "u".into(),
            password: Secret::new("p"),
        },
        token: Some(Secret::new("t")),
        custom_headers: vec![CustomHeader {
            name: "x-key".into(),
            value: Secret::new("k"),
        }],
        signing_keys: vec![
            SigningKey::given("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key"),
        ],
        client_certificate: None,
        gzip: true,
        scope: Subaccounts::All { except: vec![7] },
        limits: Limits {
            batch_events: Some(1000),
            ..Limits::default()
        },
        ordered: false,
        outcomes: Default::default(),
        filters: Vec::new(),
        created_ms: 1000 - n as u64,
        updated_ms: 2000,
    }
}

fn new_key() -> NewKey {
    let grants = [Grant::WebhooksView, Grant::IngestEvents]
        .into_iter()
        .collect();
    NewKey {
        label: "ci".into(),
        grants,
        subaccount: Some(4),
    }
}

#[test]
fn what_is_stored_is_there_after_opening_again() {
    let dir = TempDir::new().unwrap();
    let (first, second) = (webhook(2), webhook(1));
    let store = Store::open(&RealFs, dir.path()).unwrap();
    store.put_webhook(&second).unwrap();
    store.put_webhook(&first).unwrap();
    let (key, text) = store.create_key(new_key(), 5).unwrap();
    assert_eq!(store.declare_type("x_event", "seen").unwrap(), 256);
    store.set_meta("instance", b"abc").unwrap();
    drop(store);

    let mode = std::fs::metadata(dir.path().join(FILE_NAME))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let store = Store::open(&RealFs, dir.path()).unwrap();
    assert_eq!(store.webhooks().unwrap(), [first.clone(), second]);
    assert_eq!(store.webhook(first.id).unwrap(), Some(first));
    assert_eq!(store.authenticate(text.expose()).unwrap(), Some(key));
    assert_eq!(store.custom_types().unwrap()[0].name, "seen");
    assert_eq!(
        store.meta("instance").unwrap().as_deref(),
        Some(&b"abc"[..])
    );
    assert_eq!(store.meta("other").unwrap(), None);
}

#[test]
fn webhooks_are_replaced_and_deleted() {
    let store = Store::memory().unwrap();
    let mut w = webhook(1);
    store.put_webhook(&w).unwrap();
    w.name = "Renamed".into();
    store.put_webhook(&w).unwrap();
    assert_eq!(store.webhooks().unwrap(), [w.clone()]);
    assert!(store.delete_webhook(w.id, true).unwrap());
    assert!(!store.delete_webhook(w.id, true).unwrap());
    assert_eq!(store.webhook(w.id).unwrap(), None);
}

#[test]
fn a_key_is_kept_as_its_hash_only() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&RealFs, dir.path()).unwrap();
    let (key, text) = store.create_key(new_key(), 5).unwrap();
    let text = text.expose();
    assert_eq!(text.len(), 40);
    assert_eq!(key.short_key, text[..4]);
    assert!(key.grants.contains(Grant::IngestEvents) && !key.grants.contains(Grant::Keys));
    drop(store);
    let file = std::fs::read(dir.path().join(FILE_NAME)).unwrap();
    assert!(!file.windows(text.len()).any(|w| w == text.as_bytes()));
}

#[test]
fn only_the_whole_text_of_a_key_is_it() {
    let store = Store::memory().unwrap();
    let (key, text) = store.create_key(new_key(), 5).unwrap();
    let text = text.expose();
    for wrong in [
        "",
        &text[..39],
        &text.to_uppercase(),
        &format!("{text} "),
        &key.id,
    ] {
        assert_eq!(store.authenticate(wrong).unwrap(), None, "{wrong:?}");
    }
    assert_eq!(store.authenticate(text).unwrap(), Some(key));
}

#[test]
fn a_revoked_key_is_none() {
    let store = Store::memory().unwrap();
    let (kept, _) = store.create_key(new_key(), 1).unwrap();
    let (key, text) = store.create_key(new_key(), 2).unwrap();
    assert!(store.revoke_key(&key.id).unwrap());
    assert_eq!(store.authenticate(text.expose()).unwrap(), None);
    for id in [
        &key.id[..],
        "",
        "zz",
        "+123456789abcdef",
        "0000000000000000",
    ] {
        assert!(!store.revoke_key(id).unwrap(), "{id}");
    }
    assert_eq!(store.keys().unwrap(), [kept]);
}

#[test]
fn a_grant_of_a_later_version_grants_nothing() {
    let grants: Grants = serde_json::from_str(r#"["webhooks/view","space/travel"]"#).unwrap();
    assert_eq!(grants.iter().collect::<Vec<_>>(), [Grant::WebhooksView]);
    assert_eq!(Grants::all().iter().count(), Grant::ALL.len());
}

#[test]
fn ids_of_custom_types_stay_and_end() {
    let store = Store::memory().unwrap();
    assert_eq!(store.declare_type("a", "one").unwrap(), 256);
    assert_eq!(store.declare_type("b", "one").unwrap(), 257);
    assert_eq!(store.declare_type("a", "one").unwrap(), 256);
    for n in 258..=1023u16 {
        assert_eq!(store.declare_type("a", &n.to_string()).unwrap(), n);
    }
    let error = store.declare_type("a", "last").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no more than 768 custom event types can be declared"
    );
    assert_eq!(store.declare_type("b", "one").unwrap(), 257);
}

#[test]
fn a_newer_layout_is_refused_by_number() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(FILE_NAME);
    drop(Store::open(&RealFs, dir.path()).unwrap());
    let db = redb::Database::open(&path).unwrap();
    let tx = db.begin_write().unwrap();
    let newer = (db::LAYOUT + 1).to_le_bytes();
    tx.open_table(db::META)
        .unwrap()
        .insert(db::LAYOUT_NAME, &newer[..])
        .unwrap();
    tx.commit().unwrap();
    drop(db);
    let error = Store::open(&RealFs, dir.path()).err().unwrap();
    assert!(
        matches!(error, StoreError::Newer { found: 2, known: 1 }),
        "{error}"
    );
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(FILE_NAME);
    std::fs::write(&path, "not a store, but perhaps someone's only copy").unwrap();
    let error = Store::open(&RealFs, dir.path()).err().unwrap();
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("not a store")
    );
}

#[test]
fn a_creation_that_was_cut_short_is_made_good() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("store.new"), "half").unwrap();
    let store = Store::open(&RealFs, dir.path()).unwrap();
    store.put_webhook(&webhook(1)).unwrap();
    assert!(!dir.path().join("store.new").exists());
}

#[test]
fn a_link_in_its_place_is_refused() {
    let dir = TempDir::new().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join(FILE_NAME)).unwrap();
    let error = Store::open(&RealFs, dir.path()).err().unwrap();
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
}

/// Longer than what a page of the file holds.
fn long(n: u128) -> Webhook {
    Webhook {
        name: "n".repeat(10_000),
        ..webhook(n)
    }
}

#[test]
fn a_full_disk_fails_changes_but_never_reads() {
    let fs = SimFs::new(1);
    let store = Store::open(&fs, Path::new("/")).unwrap();
    let (key, text) = store.create_key(new_key(), 5).unwrap();

    fs.fill();
    let mut stored = 0;
    let error = loop {
        match store.put_webhook(&long(stored)) {
            Ok(()) => stored += 1,
            Err(e) => break e,
        }
        assert!(stored < 10_000, "the file never had to grow");
    };
    assert!(matches!(error, StoreError::Failed(_)), "{error:?}");
    assert_eq!(store.authenticate(text.expose()).unwrap(), Some(key));
    assert_eq!(store.webhooks().unwrap().len() as u128, stored);

    fs.set_capacity(usize::MAX);
    store.put_webhook(&long(stored)).unwrap();
    drop(store);
    let store = Store::open(&fs, Path::new("/")).unwrap();
    assert_eq!(store.webhooks().unwrap().len() as u128, stored + 1);
}

#[test]
fn on_a_full_disk_webhooks_are_changed_and_deleted_all_the_same() {
    let fs = SimFs::new(1);
    let store = Store::open(&fs, Path::new("/")).unwrap();
    let path = Path::new("/").join(FILE_NAME);
    let len = || fs.open(&path, Open::Read).unwrap().len().unwrap();
    fs.fill();
    let before = len();
    let mut stored = 0;
    while len() == before {
        store.put_webhook(&long(stored)).unwrap();
        stored += 1;
    }
    for n in 0..stored {
        let changed = Webhook {
            revision: long(n).revision + 1,
            ..long(n)
        };
        store.put_webhook(&changed).unwrap();
        store.retain_former(|_, _| false).unwrap();
    }
    for n in 0..stored {
        assert!(store.delete_webhook(webhook(n).id, true).unwrap());
    }
    assert_eq!(store.webhooks().unwrap(), []);
}

#[test]
fn former_revisions_are_kept_until_nobody_needs_them() {
    let store = Store::memory().unwrap();
    let mut w = webhook(1);
    store.put_webhook(&w).unwrap();
    let first = w.clone();
    w.revision += 1;
    w.target = "http://example.com/elsewhere".into();
    store.put_webhook(&w).unwrap();
    assert_eq!(store.former().unwrap(), std::slice::from_ref(&first));
    // Deleted, its last revision is a former one too.
    assert!(store.delete_webhook(w.id, false).unwrap());
    assert_eq!(store.former().unwrap(), [first, w.clone()]);
    store
        .retain_former(|id, revision| (id, revision) == (w.id, w.revision))
        .unwrap();
    assert_eq!(store.former().unwrap(), [w.clone()]);

    store.put_webhook(&webhook(2)).unwrap();
    store
        .put_webhook(&Webhook {
            revision: 9,
            ..webhook(2)
        })
        .unwrap();
    assert!(store.delete_webhook(webhook(2).id, true).unwrap());
    assert_eq!(
        store.former().unwrap(),
        [w],
        "purged: nothing of it is kept"
    );
}
