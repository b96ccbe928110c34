//! Engines whose books are looked at: at every wait, and at the end of every test.

use postrider::deliver::WebhookBooks;
use postrider::engine::Engine;
use postrider::webhook::WebhookSpec;
use std::path::Path;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// When to give up waiting: far beyond what a loaded machine needs.
pub const MINUTE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(600);

/// An engine that may reach receivers on this machine; in memory without a directory.
pub fn engine(dir: Option<&Path>, settings: &[(&str, &str)]) -> Engine {
    let mut builder = match dir {
        Some(dir) => Engine::builder().data_dir(dir),
        None => Engine::builder().memory(),
    };
    builder = builder.set("http.allow_target", "127.0.0.0/8").unwrap();
    for (key, value) in settings {
        builder = builder.set(key, value).unwrap();
    }
    builder.start().unwrap()
}

/// A webhook for these event types.
pub fn webhook(engine: &Engine, url: &str, events: &[&str]) -> Uuid {
    let spec = WebhookSpec::new("test", url, events.iter().copied());
    engine.create_webhook(spec).unwrap().id
}

/// Waits until `done` of the books of `id`, checking at every look that all books balance.
pub fn wait(engine: &Engine, id: Uuid, what: &str, done: impl Fn(&WebhookBooks) -> bool) {
    let deadline = Instant::now() + LONG;
    loop {
        let stats = engine.stats();
        assert!(stats.balanced(), "{stats:?}");
        if stats.books.webhooks.get(&id).is_some_and(&done) {
            return;
        }
        assert!(Instant::now() < deadline, "not {what} in time: {stats:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The books of one webhook; all must balance.
pub fn of(engine: &Engine, id: Uuid) -> WebhookBooks {
    let stats = engine.stats();
    assert!(stats.balanced(), "{stats:?}");
    stats.books.webhooks.get(&id).cloned().unwrap_or_default()
}

/// Closes an engine whose books balance to the end: what every test ends with.
pub fn close(engine: &Engine) {
    let stats = engine.stats();
    assert!(stats.balanced(), "{stats:?}");
    engine.close(MINUTE).unwrap();
}
