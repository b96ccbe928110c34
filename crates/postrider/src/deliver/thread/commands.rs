//! What others ask of the thread.

use std::time::Duration;

use crossbeam_channel::Sender;
use uuid::Uuid;

use super::{Courier, Stopping};
use crate::deliver::endpoint::Endpoint;
use crate::deliver::errand::TestReply;
use crate::deliver::handle::{Snapshot, StopReport};
use crate::deliver::replay::Cut;
use crate::deliver::settings::Settings;
use crate::deliver::standing::Standing;
use crate::http::Setup;
use crate::journal::{BatchStatus, DeadLetter};
use crate::time::Now;
use crate::webhook::Replayed;

/// A question. Every one has its own channel for the answer; who does not
/// wait any more just drops it.
pub(in crate::deliver) enum Command {
    Put {
        standing: Box<Standing>,
        reply: Sender<()>,
    },
    Configure {
        settings: Box<Settings>,
        http: Box<Setup>,
        standings: Vec<Standing>,
        reply: Sender<()>,
    },
    Delete {
        id: Uuid,
        purge: bool,
        reply: Sender<()>,
    },
    Pause {
        id: Uuid,
        paused: bool,
        reply: Sender<bool>,
    },
    DeadLetters {
        id: Uuid,
        limit: usize,
        reply: Sender<Vec<DeadLetter>>,
    },
    Replay {
        id: Uuid,
        batches: Option<Vec<Uuid>>,
        reply: Sender<Option<Replayed>>,
    },
    Again {
        id: Uuid,
        cuts: Vec<Cut>,
        reply: Sender<bool>,
    },
    Test {
        endpoint: Box<Endpoint>,
        /// `None`: its token alone.
        body: Option<Vec<u8>>,
        reply: TestReply,
    },
    Books {
        reply: Sender<Snapshot>,
    },
    BatchStatus {
        id: Uuid,
        limit: usize,
        all: bool,
        reply: Sender<Vec<BatchStatus>>,
    },
    Stop {
        timeout: Duration,
        reply: Sender<StopReport>,
    },
}

impl Courier {
    /// Does what was asked.
    pub(super) fn obey(&mut self, now: Now) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Put { standing, reply } => {
                    // What was pushed before the change is selected as before it.
                    self.route_all(now);
                    self.put(*standing, now);
                    self.changed(reply);
                }
                Command::Configure {
                    settings,
                    http,
                    standings,
                    reply,
                } => {
                    self.route_all(now);
                    self.configure(*settings, *http, standings, now);
                    self.changed(reply);
                }
                Command::Delete { id, purge, reply } => {
                    self.route_all(now);
                    self.scheduler.delete(id, purge, now);
                    self.changed(reply);
                }
                Command::Pause { id, paused, reply } => {
                    let known = match paused {
                        true => self.scheduler.pause(id, now),
                        false => self.scheduler.resume(id, now),
                    };
                    // What was answered for is journaled.
                    self.carry_out(now);
                    tell(&reply, known);
                }
                Command::DeadLetters { id, limit, reply } => {
                    let letters = self.scheduler.state().dead_letters().rev();
                    let letters = letters.filter(|letter| letter.start.webhook == id);
                    tell(&reply, letters.take(limit).cloned().collect());
                }
                Command::Replay { id, batches, reply } => {
                    let replayed = self.scheduler.replay(id, batches, now);
                    self.carry_out(now);
                    tell(&reply, replayed);
                }
                Command::Again { id, cuts, reply } => {
                    let known = self.scheduler.again(id, cuts, now);
                    self.carry_out(now);
                    tell(&reply, known);
                }
                Command::Test {
                    endpoint,
                    body,
                    reply,
                } => {
                    let first = self.tests.begin(endpoint, body, reply, now);
                    self.start(first, now);
                }
                Command::Books { reply } => tell(&reply, self.scheduler.snapshot()),
                Command::BatchStatus {
                    id,
                    limit,
                    all,
                    reply,
                } => {
                    tell(&reply, self.scheduler.state().batch_status(id, limit, all));
                }
                Command::Stop { timeout, reply } => {
                    self.scheduler.stop();
                    let in_flight = self.scheduler.in_flight() as u32;
                    let deadline = now.mono.after(timeout);
                    self.stopping = Some(Stopping {
                        deadline,
                        in_flight,
                        reply,
                    });
                }
            }
        }
    }

    fn put(&mut self, standing: Standing, now: Now) {
        let places = (&mut self.endpoints, &mut self.renderers);
        standing.take(&mut self.scheduler, places, &mut self.notice, now);
    }

    fn configure(&mut self, settings: Settings, http: Setup, all: Vec<Standing>, now: Now) {
        self.client.reconfigure(http, now.mono);
        self.tests.set_timeout(settings.attempt_timeout);
        self.scheduler.set_settings(settings.clone());
        self.settings = settings;
        for standing in all {
            self.put(standing, now);
        }
        self.scheduler.age_anew(now);
    }

    fn route_all(&mut self, now: Now) {
        if let Err(error) = self.route_frames(u32::MAX, now) {
            self.hold(error.to_string(), now);
        }
    }

    fn changed(&mut self, reply: Sender<()>) {
        (self.wanted)(&self.scheduler.wanted());
        tell(&reply, ());
    }
}

/// Answers a question. Who asked may have stopped waiting, which is theirs to decide.
pub(super) fn tell<T>(reply: &Sender<T>, answer: T) {
    let _ = reply.send(answer);
}
