//! Requests that carry no batch: tokens, and test POSTs with the token that they may need first.

use std::collections::HashMap;
use std::time::Duration;

use crossbeam_channel::Sender;
use uuid::Uuid;

use super::endpoint::{Endpoint, TEST_BATCH};
use super::handle::no_answer;
use super::retry::retry_after;
use super::scheduler::{Fetch, Fetched};
use crate::auth::{AccessToken, TokenFault, read_token};
use crate::http::{Done, Request, Response};
use crate::time::{Now, UnixMillis};
use crate::webhook::{TestFailure, TestPost};

/// Test POSTs have exchange numbers from here on, batches and tokens below.
const TESTS_FROM: u64 = 1 << 63;

/// What a test came to, where nothing went wrong on the way.
pub(super) enum Tested {
    /// The target's answer, whatever it says.
    Answer(TestPost),
    /// There is a token, which is all that was asked.
    Token,
}

pub(super) type TestReply = Sender<Result<Tested, TestFailure>>;

/// The tests under way.
pub(super) struct Tests {
    timeout: Duration,
    next: u64,
    under_way: HashMap<u64, Test>,
}

enum Test {
    Token {
        endpoint: Box<Endpoint>,
        /// `None`: the token is all that is asked.
        body: Option<Vec<u8>>,
        reply: TestReply,
    },
    Post {
        reply: TestReply,
    },
}

impl Tests {
    pub(super) fn new(timeout: Duration) -> Tests {
        Tests {
            timeout,
            next: TESTS_FROM,
            under_way: HashMap::new(),
        }
    }

    /// From now on a test's requests have this long.
    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Begins a test: what to send first.
    pub(super) fn begin(
        &mut self,
        endpoint: Box<Endpoint>,
        body: Option<Vec<u8>>,
        reply: TestReply,
        now: Now,
    ) -> Option<(u64, Request)> {
        if let Some(request) = endpoint.token_request(now, self.timeout) {
            let test = Test::Token {
                endpoint,
                body,
                reply,
            };
            return Some((self.add(test), request));
        }
        self.post(&endpoint, body, None, reply, now)
    }

    fn post(
        &mut self,
        endpoint: &Endpoint,
        body: Option<Vec<u8>>,
        token: Option<&AccessToken>,
        reply: TestReply,
        now: Now,
    ) -> Option<(u64, Request)> {
        let Some(body) = body else {
            tell(&reply, Ok(Tested::Token));
            return None;
        };
        let request = Request {
            // Who set the webhook up gets to see it.
            answer_kept: usize::MAX,
            ..endpoint.request(TEST_BATCH, body.into(), token, now, self.timeout)
        };
        Some((self.add(Test::Post { reply }), request))
    }

    fn add(&mut self, test: Test) -> u64 {
        let exchange = self.next;
        self.next += 1;
        self.under_way.insert(exchange, test);
        exchange
    }

    /// Whether an exchange is a test's.
    pub(super) fn has(&self, exchange: u64) -> bool {
        self.under_way.contains_key(&exchange)
    }

    /// Goes on with a test whose exchange has ended: what to send next, if anything.
    pub(super) fn ended(&mut self, done: Done, now: Now) -> Option<(u64, Request)> {
        match self.under_way.remove(&done.id)? {
            Test::Post { reply } => {
                let tested = match done.result {
                    Ok(response) => Ok(Tested::Answer(test_post(response))),
                    Err(error) => Err(no_answer(error.node_code, error.message)),
                };
                tell(&reply, tested);
                None
            }
            Test::Token {
                endpoint,
                body,
                reply,
            } => match token_of(done) {
                Ok(token) => self.post(&endpoint, body, Some(&token), reply, now),
                Err(failure) => {
                    tell(&reply, Err(failure));
                    None
                }
            },
        }
    }
}

fn test_post(response: Response) -> TestPost {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    TestPost {
        status: response.status,
        headers: response.headers.iter().map(owned).collect(),
        body: response.body,
    }
}

fn token_of(done: Done) -> Result<AccessToken, TestFailure> {
    let no_token = |detail: String, response| TestFailure::NoToken { detail, response };
    let response = done.result.map_err(|error| no_token(error.message, None))?;
    read_token(response.status, &response.body).map_err(|fault| {
        // What a success holds may be a token.
        let refused = matches!(fault, TokenFault::Status { .. });
        no_token(fault.to_string(), refused.then(|| test_post(response)))
    })
}

/// The tokens in use, and the requests for more.
#[derive(Default)]
pub(super) struct Tokens {
    fetches: HashMap<u64, Fetch>,
    /// By webhook, with the number of their source.
    present: HashMap<Uuid, (u64, AccessToken)>,
}

impl Tokens {
    /// Notes a token request that leaves.
    pub(super) fn begin(&mut self, fetch: Fetch) {
        self.fetches.insert(fetch.exchange, fetch);
    }

    /// Whether an exchange is a token request, which it takes out.
    pub(super) fn take(&mut self, exchange: u64) -> Option<Fetch> {
        self.fetches.remove(&exchange)
    }

    pub(super) fn keep(&mut self, webhook: Uuid, source: u64, token: AccessToken) {
        self.present.insert(webhook, (source, token));
    }

    /// The webhook's token, if it came from where the endpoint has its tokens.
    pub(super) fn of(&self, webhook: Uuid, endpoint: &Endpoint) -> Option<&AccessToken> {
        let (source, token) = self.present.get(&webhook)?;
        (endpoint.token_source() == Some(*source)).then_some(token)
    }

    /// Forgets the tokens of webhooks that are gone.
    pub(super) fn retain(&mut self, known: impl Fn(Uuid) -> bool) {
        self.present.retain(|webhook, _| known(*webhook));
    }
}

/// Reads the end of a token request.
pub(super) fn fetched(done: Done, now_ms: UnixMillis) -> Result<AccessToken, Fetched> {
    let failed = |code, words, retry_after| Fetched::Failed {
        code,
        words,
        retry_after,
    };
    let response = done
        .result
        .map_err(|error| failed(error.node_code.to_owned(), error.message, None))?;
    read_token(response.status, &response.body).map_err(|fault| {
        let asked = response.headers.get("retry-after");
        let asked = asked.and_then(|value| retry_after(value, now_ms));
        let words = fault.to_string();
        match fault {
            TokenFault::Status { status, .. } => failed(status.to_string(), words, asked),
            _ => failed("ANSWER".to_owned(), words, asked),
        }
    })
}

/// Answers a question. Who asked may have stopped waiting, which is theirs to decide.
fn tell<T>(reply: &Sender<T>, answer: T) {
    let _ = reply.send(answer);
}
