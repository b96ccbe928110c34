//! The API's listeners: bytes to a [`Request`], which is answered on a thread that may wait, and back.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response as HttpResponse;
use axum::routing::{any, get};
use postrider::engine::Engine;
use postrider_api::{Api, Caller, MAX_BODY, Request, Response};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

/// Calls answered at once; more wait. Creating a webhook holds one for as long as the receiver takes.
const CALLS: usize = 32;

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Clone)]
struct Mount {
    engine: Arc<Engine>,
    api: Arc<Api<Engine>>,
    caller: Caller,
    calls: Arc<Semaphore>,
}

/// Makes the admin socket, for this user alone. One that is left from a killed process is replaced: the
/// data directory's lock says that nobody listens on it.
pub(super) fn bind_admin(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until its task is ended.
pub(super) async fn serve(
    listener: Listener,
    engine: Arc<Engine>,
    api: Arc<Api<Engine>>,
    caller: Caller,
) -> io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(metrics))
        .fallback(any(call))
        // One more than the API takes, so that the API's own answer is given.
        .layer(DefaultBodyLimit::max(MAX_BODY + 1))
        .with_state(Mount {
            engine,
            api,
            caller,
            calls: Arc::new(Semaphore::new(CALLS)),
        });
    match listener {
        Listener::Tcp(listener) => axum::serve(listener, app).await,
        Listener::Unix(listener) => axum::serve(listener, app).await,
    }
}

async fn metrics(State(mount): State<Mount>) -> HttpResponse {
    let engine = mount.engine;
    let text = tokio::task::spawn_blocking(move || engine.metrics()).await;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let mut response = HttpResponse::new(Body::from(text.unwrap_or_default()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

async fn call(
    State(mount): State<Mount>,
    method: Method,
    uri: Uri,
    headers: axum::http::HeaderMap,
    body: Bytes,
) -> HttpResponse {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = Request {
        method: method.as_str().to_owned(),
        path_and_query: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body: body.to_vec(),
    };
    let _one_of_few = mount.calls.acquire_owned().await;
    let (api, caller) = (mount.api, mount.caller);
    let answer = tokio::task::spawn_blocking(move || api.handle(&request, caller)).await;
    match answer {
        Ok(answer) => into_http(answer),
        Err(_) => {
            let body = r#"{"errors":[{"message":"The call ended unexpectedly"}]}"#;
            let mut response = HttpResponse::new(Body::from(body));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

fn into_http(answer: Response) -> HttpResponse {
    let mut response = HttpResponse::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
