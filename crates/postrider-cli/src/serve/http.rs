//! One HTTP request of the API: bytes to a [`Request`], which is answered on a thread that may wait,
//! and back.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response as HttpResponse, StatusCode};
use postrider_api::{Api, Caller, Request, Response};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Calls answered at once; more wait. Creating a webhook holds one for as long as the receiver takes.
const CALLS: usize = 32;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);

type Answer = HttpResponse<Full<Bytes>>;

/// The API behind the listeners.
pub(super) struct Mount {
    api: Arc<Api>,
    calls: Semaphore,
}

impl Mount {
    pub(super) fn new(api: Arc<Api>) -> Mount {
        Mount {
            api,
            calls: Semaphore::new(CALLS),
        }
    }

    /// The head is judged before the body is read: a stranger's is not.
    pub(super) async fn answer(
        self: Arc<Self>,
        http: hyper::Request<Incoming>,
        caller: Caller,
    ) -> Result<Answer, Infallible> {
        let (head, body) = http.into_parts();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let path_and_query = head.uri.path_and_query().map_or("/", |p| p.as_str());
        let mut request = Request {
            method: head.method.as_str().to_owned(),
            path_and_query: path_and_query.to_owned(),
            headers: head
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: Vec::new(),
        };
        let most = match self.api.admit(&request, caller) {
            Ok(most) => most,
            Err(refusal) => return Ok(with_close(into_http(refusal), &body)),
        };
        let Ok(_one_of_few) = self.calls.acquire().await else {
            return Ok(failed("The server is closing"));
        };
        let read = tokio::time::timeout(BODY_TIME, Limited::new(body, most).collect()).await;
        request.body = match read {
            Ok(Ok(body)) => body.to_bytes().to_vec(),
            Ok(Err(e)) if e.is::<http_body_util::LengthLimitError>() => {
                return Ok(closing(into_http(postrider_api::body_too_large(most))));
            }
            Ok(Err(_)) | Err(_) => {
                let mut late = failed("The body did not arrive");
                *late.status_mut() = StatusCode::REQUEST_TIMEOUT;
                return Ok(closing(late));
            }
        };
        let api = self.api.clone();
        let answer = tokio::task::spawn_blocking(move || api.handle(&request, caller)).await;
        Ok(answer.map_or_else(|_| failed("The call ended unexpectedly"), into_http))
    }
}

fn into_http(answer: Response) -> Answer {
    let mut response = HttpResponse::new(Full::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn failed(why: &str) -> Answer {
    let body = serde_json::json!({"errors": [{"message": why}]}).to_string();
    let mut response = HttpResponse::new(Full::from(body));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", kind);
    response
}

/// What is left of a body that nobody reads must not be taken for the next request.
fn closing(mut answer: Answer) -> Answer {
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert("connection", close);
    answer
}

fn with_close(answer: Answer, unread: &Incoming) -> Answer {
    match unread.is_end_stream() {
        true => answer,
        false => closing(answer),
    }
}
