//! Filters in C, compiled as an author would, and a host to run them in without an engine.

use crate::cc::{need_program, run, workspace};
use postrider::event::{Encoder, Schema};
use postrider::filter::{
    Batch, Fate, FilterError, FilterSpec, FilterStatus, Filters, Parts, Role, Seat,
};
use postrider::time::SystemClock;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Compiles `source`, a path in the repository, to `object`, with these further arguments.
pub fn compile(source: &Path, object: &Path, more: &[&str]) {
    let mut cc = Command::new("cc");
    cc.current_dir(workspace())
        // What watches this program has nothing to do with the compiler.
        .env_remove("LD_PRELOAD")
        .args(["-std=c11", "-O1", "-g", "-shared", "-fPIC", "-pthread"])
        .args([
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-Wno-unused-function",
        ])
        .args(more)
        .args(["-Iinclude", "-o"])
        .arg(object)
        .arg(source);
    run(&mut cc);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(object, mode).expect("ours");
}

/// Where this is in the environment, modules are compiled with AddressSanitizer, and the program has its runtime.
pub const SANITIZED: &str = "POSTRIDER_TEST_SANITIZED";

/// Modules of `tests/c/filters`, each compiled when it is asked for.
pub struct Modules(TempDir);

impl Modules {
    /// `None` where there is no C compiler.
    pub fn new() -> Option<Modules> {
        need_program("cc").then(|| Modules(TempDir::new().expect("a directory for filters")))
    }

    /// Where they are.
    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// The shared object of a module.
    pub fn path(&self, name: &str) -> PathBuf {
        let object = self.0.path().join(format!("{name}.so"));
        if !object.exists() {
            let source = format!("tests/c/filters/{name}.c");
            let sanitized = std::env::var_os(SANITIZED).is_some();
            let more: &[&str] = if sanitized {
                &["-fsanitize=address"]
            } else {
                &[]
            };
            compile(Path::new(&source), &object, more);
        }
        object
    }

    /// A filter of the module's name, with time enough for a loaded machine.
    pub fn spec(&self, name: &str) -> FilterSpec {
        FilterSpec {
            timeout_ms: 30_000,
            budget_us: 1_000_000,
            ..FilterSpec::new(name.replace('_', "-"), self.path(name))
        }
    }
}

/// Who takes batches through the filters for a host; it comes back with each.
struct Asked {
    seat: Seat<Asked>,
    answer: Sender<Answer>,
}

type Answer = (Box<Asked>, Batch);

impl Role for Asked {
    fn seat(&mut self) -> &mut Seat<Asked> {
        &mut self.seat
    }

    fn go_on(self: Box<Self>, batch: Batch) {
        let answer = self.answer.clone();
        drop(answer.send((self, batch)));
    }
}

/// A host without an engine.
pub struct Host {
    /// The host.
    pub filters: Arc<Filters>,
    asked: Mutex<(Option<Box<Asked>>, Receiver<Answer>)>,
    schema: Arc<Schema>,
    said: Arc<Mutex<Vec<String>>>,
    _copies: TempDir,
}

impl Host {
    /// Without filters.
    pub fn empty() -> Host {
        let copies = TempDir::new().expect("a directory for copies");
        let schema = Arc::new(Schema::new(false));
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let filters = Arc::new(Filters::new(Parts {
            schema: schema.clone(),
            clock: Arc::new(SystemClock),
            say: {
                let said = said.clone();
                Arc::new(move |_, line| said.lock().unwrap().push(line.to_owned()))
            },
            dir: copies.path().to_owned(),
        }));
        let (answer, answers) = channel();
        let seat = filters.seat("asked").expect("the first");
        let asked = Some(Box::new(Asked { seat, answer }));
        Host {
            filters,
            asked: Mutex::new((asked, answers)),
            schema,
            said,
            _copies: copies,
        }
    }

    /// With these filters.
    pub fn with(specs: Vec<FilterSpec>) -> Host {
        let host = Host::empty();
        host.filters
            .set(specs, None)
            .expect("filters without fault");
        host
    }

    /// Why a filter is refused.
    pub fn refusal(spec: FilterSpec) -> String {
        let name = spec.name.clone();
        match Host::empty().filters.set(vec![spec], None) {
            Err(FilterError::Load { name: told, source }) if told == name => {
                source.problem.to_string()
            }
            Err(other) => other.to_string(),
            Ok(()) => panic!("{name} was loaded"),
        }
    }

    /// Takes events, given as JSON, through the chain as one batch: what becomes of each, added ones last.
    pub fn run(&self, lines: &[impl AsRef<str>]) -> Vec<(Fate, String)> {
        let mut encoder = Encoder::new();
        let mut batch = Batch::default();
        for line in lines {
            let line = line.as_ref();
            let encoded = encoder.line(&self.schema, line.as_bytes(), 1);
            let encoded = encoded.unwrap_or_else(|e| panic!("{e}: {line}"));
            batch.push_copy(&encoded.entry, encoded.text);
        }
        let mut asked = self.asked.lock().unwrap();
        let (chain, role) = (self.filters.now(), asked.0.take().expect("it came back"));
        Seat::start(role, move |role| {
            if let Some((role, batch)) = chain.run(role, batch) {
                role.go_on(batch);
            }
        })
        .expect("a thread");
        let (role, batch) = asked.1.recv().expect("an answer");
        asked.0 = Some(role);
        (0..batch.len())
            .map(|i| {
                let text = batch.text(i).to_vec();
                assert_eq!(batch.entry(i).len as usize, text.len());
                (batch.fate(i), String::from_utf8(text).expect("UTF-8"))
            })
            .collect()
    }

    /// As [`run`](Self::run), with one event that stays one.
    pub fn one(&self, line: &str) -> (Fate, String) {
        let mut all = self.run(&[line]);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// How a filter stands.
    pub fn status(&self, name: &str) -> FilterStatus {
        let all = self.filters.status();
        all.into_iter()
            .find(|f| f.spec.name == name)
            .expect("a filter of that name")
    }

    /// What was logged so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.filters.close(std::time::Duration::from_secs(1));
    }
}

/// An event with this field.
pub fn event(field: &str, value: &str) -> String {
    format!(r#"{{"type":"delivery","event_id":"1","timestamp":"1","{field}":"{value}"}}"#)
}
