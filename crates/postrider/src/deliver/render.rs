//! The threads on which batches go through the filters of their webhook.
//!
//! One thread for each webhook that has filters and sends: so a filter that is slow delays its webhook alone, and so does one that
//! never returns, until another thread goes on; the deliver thread waits for none. It reads the batch from the log, takes it through the filters and writes
//! what they left, durably; what that means is for the scheduler to decide and to journal.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use uuid::Uuid;

use super::ahead::ReadAhead;
use super::body::add;
use super::scheduler::{Made, Render};
use crate::event::SEPARATOR;
use crate::filter::{Batch, Fate, Filters, InForce, Role, Seat};
use crate::http::Waker;
use crate::journal::{Reason, Rendering, RenderingWriter, Span, Written};
use crate::log::{Frame, Log};

/// What became of a batch that was to be rendered.
pub(super) struct Rendered {
    pub(super) batch: Uuid,
    pub(super) result: Outcome,
}

/// `None`: the filters left the batch as it is. No file: they left nothing of it.
type Outcome = Result<Option<(Made, Option<Written>)>, Unrendered>;

/// Why a batch could not be rendered.
pub(super) enum Unrendered {
    /// The log does not have these events any more, or they are damaged.
    Lost { spans: Vec<Span>, damaged: bool },
    /// Something of ours fails, for now.
    Failed(String),
}

/// What renders batches.
pub(super) struct Renderers {
    log: Arc<Log>,
    writer: RenderingWriter,
    waker: Arc<Waker>,
    by_webhook: HashMap<Uuid, Renderer>,
    give: Sender<Rendered>,
    take: Receiver<Rendered>,
}

struct Renderer {
    filters: Arc<Filters>,
    /// To its thread, once there was something to do.
    jobs: Option<Sender<Render>>,
}

impl Renderers {
    pub(super) fn new(log: Arc<Log>, writer: RenderingWriter, waker: Arc<Waker>) -> Renderers {
        let (give, take) = unbounded();
        Renderers {
            log,
            writer,
            waker,
            by_webhook: HashMap::new(),
            give,
            take,
        }
    }

    /// A webhook has these filters, or none. What its thread has to do already is done.
    pub(super) fn put(&mut self, webhook: Uuid, filters: Option<Arc<Filters>>) {
        let Some(filters) = filters else {
            self.by_webhook.remove(&webhook);
            return;
        };
        let same = |known: &Renderer| Arc::ptr_eq(&known.filters, &filters);
        if !self.by_webhook.get(&webhook).is_some_and(same) {
            let jobs = None;
            self.by_webhook.insert(webhook, Renderer { filters, jobs });
        }
    }

    /// Forgets webhooks that `known` does not hold.
    pub(super) fn retain(&mut self, known: impl Fn(Uuid) -> bool) {
        self.by_webhook.retain(|webhook, _| known(*webhook));
    }

    /// Has a batch rendered; false where its webhook has no filters here.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn begin(&mut self, render: Render) -> io::Result<bool> {
        let Some(renderer) = self.by_webhook.get_mut(&render.webhook) else {
            return Ok(false);
        };
        let jobs = match renderer.jobs.take() {
            Some(jobs) => jobs,
            None => {
                let (jobs, todo) = unbounded();
                let seat = renderer.filters.seat("postrider-render");
                let taken = || io::Error::other("a thread before it has not ended");
                let worker = Box::new(Worker {
                    seat: seat.ok_or_else(taken)?,
                    todo,
                    batch: None,
                    events: Vec::new(),
                    selected: Vec::new(),
                    reader: ReadAhead::new(self.log.clone()),
                    writer: self.writer.clone(),
                    waker: self.waker.clone(),
                    give: self.give.clone(),
                });
                Seat::start(worker, |worker| worker.run())?;
                jobs
            }
        };
        // Its thread ends when this is dropped, or if it panics.
        jobs.send(render)
            .map_err(|_| io::Error::other("the thread has ended"))?;
        renderer.jobs = Some(jobs);
        Ok(true)
    }

    /// The next batch that is done.
    pub(super) fn take(&self) -> Option<Rendered> {
        self.take.try_recv().ok()
    }
}

struct Worker {
    seat: Seat<Worker>,
    todo: Receiver<Render>,
    /// What it is at.
    batch: Option<Uuid>,
    events: Vec<Logged>,
    /// Which of them are with the filters.
    selected: Vec<bool>,
    reader: ReadAhead,
    writer: RenderingWriter,
    waker: Arc<Waker>,
    give: Sender<Rendered>,
}

impl Role for Worker {
    fn seat(&mut self) -> &mut Seat<Worker> {
        &mut self.seat
    }

    fn go_on(mut self: Box<Self>, batch: Batch) {
        self.finish(&batch);
        self.run();
    }
}

impl Drop for Worker {
    /// Somebody waits for every batch.
    fn drop(&mut self) {
        self.answer(Err(panicked()));
    }
}

fn panicked() -> Unrendered {
    Unrendered::Failed("rendering a batch panicked".into())
}

fn guarded<T>(body: impl FnOnce() -> Result<T, Unrendered>) -> Result<T, Unrendered> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(panicked()))
}

impl Worker {
    fn run(mut self: Box<Self>) {
        while let Ok(job) = self.todo.recv() {
            self = match self.render(job) {
                Some(worker) => worker,
                None => return,
            };
        }
    }

    /// Takes a batch through the filters. `None` when this thread was given up.
    fn render(mut self: Box<Self>, job: Render) -> Option<Box<Self>> {
        self.batch = Some(job.batch);
        match guarded(|| self.prepare(&job.spans)) {
            Ok((chain, batch)) if !batch.is_empty() => {
                let (mut worker, batch) = chain.run(self, batch)?;
                worker.finish(&batch);
                return Some(worker);
            }
            Ok(_) => self.answer(Ok(None)),
            Err(e) => self.answer(Err(e)),
        }
        Some(self)
    }

    /// Reads a batch, and picks what its filters are to see.
    fn prepare(&mut self, spans: &[Span]) -> Result<(InForce, Batch), Unrendered> {
        self.events = self.read(spans)?;
        let chain = self.seat.filters().now();
        let mut batch = Batch::with_capacity(self.events.len());
        self.selected.clear();
        for of_frame in self.events.chunk_by(|a, b| Arc::ptr_eq(&a.frame, &b.frame)) {
            let frame = &of_frame[0].frame;
            let texts = batch.read(frame.clone());
            for Logged { at, .. } in of_frame {
                let entry = frame.entry(*at);
                let selected = chain.selects(&entry);
                if selected {
                    // What came through the inbox was looked at by no encoder of ours.
                    batch.push(&entry, texts, frame.range(*at..at + 1).start, false);
                }
                self.selected.push(selected);
            }
        }
        Ok((chain, batch))
    }

    fn finish(&mut self, batch: &Batch) {
        let result = guarded(|| self.write(batch));
        self.answer(result);
    }

    /// Writes what the filters left, if they did anything.
    fn write(&self, batch: &Batch) -> Outcome {
        if !batch.is_touched() {
            return Ok(None);
        }
        let (mut made, rendering) = settle(&self.events, &self.selected, batch);
        if made.events == 0 {
            return Ok(Some((made, None)));
        }
        made.file = Uuid::new_v4();
        let written = self.writer.write(made.file, rendering);
        let failed = |e| Unrendered::Failed(format!("a rendered batch can't be written: {e}"));
        let written = written.map_err(failed)?;
        Ok(Some((made, Some(written))))
    }

    /// Says what became of the batch, once.
    fn answer(&mut self, result: Outcome) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        self.events.clear();
        self.reader.forget();
        let _ = self.give.send(Rendered { batch, result });
        self.waker.wake();
    }

    /// The events of a batch, in order.
    fn read(&mut self, spans: &[Span]) -> Result<Vec<Logged>, Unrendered> {
        let mut events = Vec::new();
        let (mut missing, mut damaged) = (Vec::new(), Vec::new());
        for span in spans {
            let mut at = span.first;
            while at < span.end() {
                let frame = self.reader.frame(at);
                let frame = frame.map_err(|e| Unrendered::Failed(e.to_string()))?;
                let Some(frame) = frame.filter(|frame| frame.base_offset() < span.end()) else {
                    add(&mut missing, at, span.end());
                    break;
                };
                let (base, end) = (frame.base_offset(), span.end().min(frame.end_offset()));
                if at < base {
                    add(&mut missing, at, base);
                }
                for offset in at.max(base)..end {
                    let at = (offset - base) as u32;
                    if frame.is_damaged(at) {
                        add(&mut damaged, offset, offset + 1);
                    } else {
                        let frame = frame.clone();
                        events.push(Logged { offset, frame, at });
                    }
                }
                at = end;
            }
        }
        match (missing.is_empty(), damaged.is_empty()) {
            (true, true) => Ok(events),
            (true, false) => Err(Unrendered::Lost {
                spans: damaged,
                damaged: true,
            }),
            (false, _) => Err(Unrendered::Lost {
                spans: missing,
                damaged: false,
            }),
        }
    }
}

/// An event in the log.
struct Logged {
    offset: u64,
    frame: Arc<Frame>,
    at: u32,
}

/// What is left of a batch, in the order of the log and with what was added at the end, and what became of the rest.
fn settle(events: &[Logged], selected: &[bool], batch: &Batch) -> (Made, Rendering) {
    let (mut made, mut rendering) = (Made::default(), Rendering::default());
    let mut dropped: BTreeMap<&str, u32> = BTreeMap::new();
    let mut filtered = 0..batch.pushed();
    for (event, selected) in events.iter().zip(selected) {
        let Some(i) = selected.then(|| filtered.next()).flatten() else {
            rendering.push(&event.frame.bytes()[event.frame.range(event.at..event.at + 1)]);
            continue;
        };
        match batch.fate(i) {
            Fate::Live => rendering.push(batch.text_and_separator(i)),
            Fate::Dropped => *dropped.entry(batch.by(i).unwrap_or_default()).or_default() += 1,
            Fate::Held => {
                add(&mut made.held, event.offset, event.offset + 1);
                made.held_bytes += (batch.text(i).len() + SEPARATOR.len()) as u32;
            }
        }
    }
    for i in batch.pushed()..batch.len() {
        made.added += 1;
        match batch.fate(i) {
            Fate::Live => rendering.push(batch.text_and_separator(i)),
            // There is nothing to go back to: who released it would make it again.
            Fate::Dropped | Fate::Held => {
                *dropped.entry(batch.by(i).unwrap_or_default()).or_default() += 1;
            }
        }
    }
    let reason = |name: &str| Reason::named(&format!("filter:{name}"));
    made.dropped = dropped
        .into_iter()
        .map(|(name, n)| (reason(name), n))
        .collect();
    made.events = rendering.events();
    made.bytes = rendering.bytes();
    (made, rendering)
}
