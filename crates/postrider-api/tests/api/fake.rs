//! An engine without an engine: the real store, and receivers that answer by order.

use postrider::engine::{FlushError, Level, PushError};
use postrider::event::{self, Encoder, Schema};
use postrider::log::{Log, LogError, LogWriter};
use postrider::search::{Page, Query, search};
use postrider::store::{Grant, NewKey, Store};
use postrider::webhook::{
    Activity, BatchStatus, Condition, DeadLetter, Replay, Replayed, TestFailure, TestPost, Webhook,
    WebhookError, WebhookPatch, WebhookSpec,
};
use postrider_api::{Api, Backend, Caller, EventType, Request, Response};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

pub(crate) const NOW_MS: u64 = 1_700_000_000_123;

pub(crate) struct Fake {
    pub(crate) store: Store,
    pub(crate) echo_secrets: bool,
    pub(crate) activity: Activity,
    pub(crate) batches: Vec<BatchStatus>,
    pub(crate) letters: Vec<DeadLetter>,
    pub(crate) paused: Mutex<bool>,
    /// What was asked for, and what is answered.
    pub(crate) replays: Mutex<Vec<Replay>>,
    pub(crate) replayed: Mutex<Replayed>,
    /// What a test POST comes to.
    pub(crate) receiver: Mutex<Result<TestPost, TestFailure>>,
    /// Target and body of every test POST.
    pub(crate) posts: Mutex<Vec<(String, Vec<u8>)>>,
    pub(crate) purged: Mutex<Vec<bool>>,
    /// How many events there is room for.
    pub(crate) room: AtomicUsize,
    pub(crate) pushed: Mutex<Vec<Value>>,
    pub(crate) flushed: Mutex<Vec<Level>>,
    pub(crate) audit: Option<tempfile::TempDir>,
    pub(crate) log: Mutex<Option<(LogWriter, Arc<Log>)>>,
    /// Requests a second of each key.
    pub(crate) rate: u32,
}

impl Fake {
    pub(crate) fn new() -> Fake {
        let ok = TestPost {
            status: 200,
            headers: vec![("content-type".into(), "text/plain".into())],
            body: b"OK".to_vec(),
        };
        Fake {
            store: Store::memory().unwrap(),
            echo_secrets: false,
            activity: Activity::default(),
            batches: Vec::new(),
            letters: Vec::new(),
            paused: Mutex::default(),
            replays: Mutex::default(),
            replayed: Mutex::default(),
            receiver: Mutex::new(Ok(ok)),
            posts: Mutex::default(),
            purged: Mutex::default(),
            room: AtomicUsize::new(usize::MAX),
            pushed: Mutex::default(),
            flushed: Mutex::default(),
            audit: None,
            log: Mutex::default(),
            rate: 0,
        }
    }

    fn post(&self, target: &str, body: &[u8]) -> Result<TestPost, WebhookError> {
        self.posts
            .lock()
            .unwrap()
            .push((target.into(), body.into()));
        Ok(self
            .receiver
            .lock()
            .unwrap()
            .clone()
            .and_then(TestPost::judge)?)
    }
}

impl Backend for Fake {
    fn create_webhook(&self, spec: WebhookSpec) -> Result<Webhook, WebhookError> {
        let count = self.store.webhooks()?.len() as u128;
        let webhook = spec.into_webhook(Uuid::from_u128(count + 1), NOW_MS);
        self.post(&webhook.target, b"test")?;
        self.store.put_webhook(&webhook)?;
        Ok(webhook)
    }

    fn update_webhook(&self, id: Uuid, patch: WebhookPatch) -> Result<Webhook, WebhookError> {
        let (before, _) = self.webhook(id)?;
        let after = patch.apply(&before, NOW_MS + 1)?;
        if after.target != before.target {
            self.post(&after.target, b"test")?;
        }
        self.store.put_webhook(&after)?;
        Ok(after)
    }

    fn delete_webhook(&self, id: Uuid, purge: bool) -> Result<(), WebhookError> {
        self.purged.lock().unwrap().push(purge);
        match self.store.delete_webhook(id, purge)? {
            true => Ok(()),
            false => Err(WebhookError::NotFound(id)),
        }
    }

    fn webhook(&self, id: Uuid) -> Result<(Webhook, Activity), WebhookError> {
        let found = self.store.webhook(id)?;
        let mut activity = self.activity.clone();
        if *self.paused.lock().unwrap() {
            activity.condition = Condition::Paused;
        }
        Ok((found.ok_or(WebhookError::NotFound(id))?, activity))
    }

    fn webhooks(&self) -> Result<Vec<(Webhook, Activity)>, WebhookError> {
        Ok(self
            .store
            .webhooks()?
            .into_iter()
            .map(|w| (w, self.activity.clone()))
            .collect())
    }

    fn validate_webhook(&self, id: Uuid, body: &[u8]) -> Result<TestPost, WebhookError> {
        let (webhook, _) = self.webhook(id)?;
        self.post(&webhook.target, body)
    }

    fn batch_status(
        &self,
        _: Uuid,
        limit: usize,
        all: bool,
    ) -> Result<Vec<BatchStatus>, WebhookError> {
        let shown = |b: &&BatchStatus| all || b.attempts > 0 || b.failure_code.is_some();
        let batches = self.batches.iter().filter(shown);
        Ok(batches.take(limit).cloned().collect())
    }

    fn pause_webhook(&self, _: Uuid) -> Result<(), WebhookError> {
        *self.paused.lock().unwrap() = true;
        Ok(())
    }

    fn resume_webhook(&self, _: Uuid) -> Result<(), WebhookError> {
        *self.paused.lock().unwrap() = false;
        Ok(())
    }

    fn dead_letters(&self, _: Uuid, limit: usize) -> Result<Vec<DeadLetter>, WebhookError> {
        Ok(self.letters.iter().take(limit).cloned().collect())
    }

    fn replay(&self, _: Uuid, what: Replay) -> Result<Replayed, WebhookError> {
        self.replays.lock().unwrap().push(what);
        Ok(self.replayed.lock().unwrap().clone())
    }

    fn knows_event_type(&self, name: &str) -> bool {
        event::Catalogue::type_by_name(name).is_some()
    }

    fn event_documentation(&self) -> Value {
        event::documentation(|_| true)
    }

    fn event_samples(&self, chosen: &dyn Fn(&str) -> bool) -> Vec<Value> {
        event::samples(|ty| chosen(ty.name))
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn echo_secrets(&self) -> bool {
        self.echo_secrets
    }

    fn event_types(&self) -> Vec<EventType> {
        let types = event::Catalogue::types().iter();
        let one = |ty: &event::TypeInfo| EventType {
            id: ty.id,
            name: ty.name.to_owned(),
            category: ty.category().name.to_owned(),
        };
        types.map(one).collect()
    }

    fn search(&self, query: &Query) -> Result<Page, LogError> {
        let log = self.log.lock().unwrap();
        let (_, log) = log.as_ref().expect("a test that searches has a log");
        search(log, query)
    }

    fn push_line(&self, line: &[u8]) -> Result<(), PushError> {
        let left = self.room.load(Ordering::Relaxed);
        if left == 0 {
            return Err(PushError::Full {
                capacity: 0,
                policy: "wait",
            });
        }
        let mut encoder = Encoder::new();
        let encoded = encoder.line(&Schema::new(false), line, NOW_MS)?;
        self.room.store(left - 1, Ordering::Relaxed);
        let event = serde_json::from_slice(encoded.text).unwrap();
        self.pushed.lock().unwrap().push(event);
        Ok(())
    }

    fn flush(&self, level: Level) -> Result<(), FlushError> {
        self.flushed.lock().unwrap().push(level);
        Ok(())
    }

    fn audit_dir(&self) -> Option<&Path> {
        self.audit.as_ref().map(|dir| dir.path())
    }

    fn requests_per_second(&self) -> u32 {
        self.rate
    }

    fn warn(&self, line: &str) {
        panic!("{line}");
    }

    fn metrics(&self) -> String {
        "postrider_up 1\n".into()
    }

    fn now_ms(&self) -> u64 {
        NOW_MS
    }
}

/// An API on a fake, and what a test asks of it.
pub(crate) struct World {
    pub(crate) fake: Arc<Fake>,
    pub(crate) api: Api,
}

pub(crate) fn world() -> World {
    World::on(Fake::new())
}

impl World {
    pub(crate) fn on(fake: Fake) -> World {
        let fake = Arc::new(fake);
        World {
            api: Api::new(fake.clone()),
            fake,
        }
    }

    /// As the host.
    pub(crate) fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let response = self.send(method, path, &[], &bytes(&body), Caller::Host);
        (response.status, json(&response))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, Value::Null)
    }

    /// From outside, with a key's text and further headers.
    pub(crate) fn call_with(
        &self,
        key: &str,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Value,
    ) -> (u16, Value) {
        let mut headers = headers.to_vec();
        headers.push(("Authorization", key));
        let response = self.send(method, path, &headers, &bytes(&body), Caller::Key);
        (response.status, json(&response))
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        caller: Caller,
    ) -> Response {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let request = Request {
            method: method.into(),
            path_and_query: path.into(),
            headers: headers.iter().map(owned).collect(),
            body: body.to_vec(),
        };
        self.api.handle(&request, caller)
    }

    /// A new key's text.
    pub(crate) fn key(&self, grants: &[Grant], subaccount: Option<u32>) -> String {
        let grants = grants.iter().copied().collect();
        let new = NewKey {
            label: "test".into(),
            grants,
            subaccount,
        };
        self.fake
            .store
            .create_key(new, NOW_MS)
            .unwrap()
            .1
            .expose()
            .to_owned()
    }

    /// A new webhook's id, with fields beside the least that it needs.
    pub(crate) fn webhook(&self, more: Value) -> String {
        let (status, body) = self.call("POST", "/api/v1/webhooks", least_with(more));
        assert_eq!(status, 200, "{body}");
        body["results"]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn set_receiver(&self, answer: Result<TestPost, TestFailure>) {
        *self.fake.receiver.lock().unwrap() = answer;
    }
}

pub(crate) fn least_with(more: Value) -> Value {
    let mut body = serde_json::json!({
        "name": "Example webhook", "target": "http://example.com/hook", "events": ["delivery"],
    });
    if let Value::Object(more) = more {
        body.as_object_mut().unwrap().extend(more);
    }
    body
}

fn bytes(body: &Value) -> Vec<u8> {
    match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    }
}

pub(crate) fn json(response: &Response) -> Value {
    if response.body.is_empty() {
        return Value::Null;
    }
    let (name, value) = &response.headers[0];
    assert_eq!(
        (name.as_str(), value.as_str()),
        ("content-type", "application/json")
    );
    serde_json::from_slice(&response.body).unwrap()
}

/// The one error of an answer: code and message.
pub(crate) fn error(body: &Value) -> (&str, &str) {
    let errors = body["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("{body}"));
    assert_eq!(errors.len(), 1);
    let code = errors[0]["code"].as_str().unwrap_or("");
    (code, errors[0]["message"].as_str().unwrap())
}
