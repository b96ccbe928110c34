//! `postrider serve`: an engine, and the REST API before it.

mod http;

use crate::api::ADMIN_SOCKET;
use crate::cli::ServeArgs;
use crate::error::CliError;
use crate::key::ALL_GRANTS;
use postrider::config::Config;
use postrider::engine::{Engine, OpenError, Severity};
use postrider_api::{Api, Caller, Request};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a signal leaves batches under way to end.
const CLOSE: Duration = Duration::from_secs(15);

/// Where the first key is kept, in the data directory.
const KEY_FILE: &str = "api.key";

pub(crate) fn run(args: ServeArgs) -> Result<(), CliError> {
    let config = config(&args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::environment)?;
    runtime.block_on(serve(config, args))
}

/// Defaults, then the file, then the command line. A served engine keeps every event, for search.
fn config(args: &ServeArgs) -> Result<Config, CliError> {
    let mut config = Config::default();
    let usage = |what: &str, e: &dyn std::fmt::Display| CliError::Usage(format!("{what}: {e}"));
    config
        .set("log.keep", "all")
        .map_err(|e| usage("log.keep", &e))?;
    if let Some(path) = &args.config {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| usage(&name, &e))?;
        config.set_toml(&text).map_err(|e| usage(&name, &e))?;
    }
    for pair in &args.set {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| CliError::Usage(format!("--set {pair:?}: write KEY=VALUE")))?;
        config
            .set(key.trim(), value.trim())
            .map_err(|e| usage("--set", &e))?;
    }
    if !args.allow_target.is_empty() {
        let mut all: Vec<String> = config
            .http_allow_target()
            .iter()
            .map(ToString::to_string)
            .collect();
        all.extend_from_slice(&args.allow_target);
        config
            .set("http.allow_target", &all.join(","))
            .map_err(|e| usage("--allow-target", &e))?;
    }
    if let Some(listen) = args.listen {
        config
            .set("serve.listen", &listen.to_string())
            .map_err(|e| usage("--listen", &e))?;
    }
    Ok(config)
}

async fn serve(config: Config, args: ServeArgs) -> Result<(), CliError> {
    // The port first: a second `serve` fails before it touches anything.
    let listen = config.serve_listen();
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .map_err(|e| CliError::Environment(format!("cannot listen on {listen}: {e}")))?;
    let address = listener.local_addr().map_err(CliError::environment)?;
    if !address.ip().is_loopback() {
        eprintln!(
            "warning: {address} is not a loopback address, and the API has no TLS of its own"
        );
    }
    let admin = config.serve_admin_socket();
    let engine = Engine::builder()
        .data_dir(&args.data)
        .config(config)
        .logger(log)
        .start()
        .map_err(|e| match e {
            OpenError::Config(_) | OpenError::CustomType(_) => CliError::Usage(e.to_string()),
            e => CliError::Environment(e.to_string()),
        })?;
    let engine = Arc::new(engine);
    let api = Arc::new(Api::new(engine.clone()));
    let data = engine.data_dir().unwrap_or(&args.data).to_owned();
    let new_key = first_key(&engine, &api, &data)?;

    let mut servers = vec![tokio::spawn(http::serve(
        http::Listener::Tcp(listener),
        engine.clone(),
        api.clone(),
        Caller::Key,
    ))];
    if admin {
        let path = data.join(ADMIN_SOCKET);
        let listener = http::bind_admin(&path)
            .map_err(|e| CliError::Environment(format!("cannot make {}: {e}", path.display())))?;
        let listener = http::Listener::Unix(listener);
        servers.push(tokio::spawn(http::serve(
            listener,
            engine.clone(),
            api,
            Caller::Host,
        )));
    }
    welcome(&address.to_string(), &data, new_key.as_deref());
    signal().await.map_err(CliError::environment)?;
    eprintln!(
        "closing: batches under way have {} s to end",
        CLOSE.as_secs()
    );
    for server in servers {
        server.abort();
    }
    let _ = std::fs::remove_file(data.join(ADMIN_SOCKET));
    let closed = tokio::task::spawn_blocking(move || engine.close(CLOSE)).await;
    match closed {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(CliError::Environment(e.to_string())),
        Err(e) => Err(CliError::Environment(e.to_string())),
    }
}

fn log(severity: Severity, line: &str) {
    let level = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    eprintln!("{level}: {line}");
}

/// Where there is no key yet: makes one with all grants and keeps it for the command line.
fn first_key(engine: &Engine, api: &Api<Engine>, data: &Path) -> Result<Option<String>, CliError> {
    let failed = |e: &dyn std::fmt::Display| CliError::Environment(format!("first API key: {e}"));
    if !engine.store().keys().map_err(|e| failed(&e))?.is_empty() {
        return Ok(None);
    }
    let body = serde_json::json!({ "label": "made by serve", "grants": ALL_GRANTS });
    let request = Request {
        method: "POST".to_owned(),
        path_and_query: "/api/v1/keys".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    };
    let answer = api.handle(&request, Caller::Host);
    let made: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let key = made["results"]["key"].as_str();
    let key = key.ok_or_else(|| failed(&String::from_utf8_lossy(&answer.body)))?;
    let path = data.join(KEY_FILE);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{key}"))
        .map_err(|e| failed(&format!("{}: {e}", path.display())))?;
    Ok(Some(key.to_owned()))
}

fn welcome(address: &str, data: &Path, new_key: Option<&str>) {
    println!(
        "Postrider {} listens on http://{address}",
        env!("CARGO_PKG_VERSION")
    );
    println!("data directory: {}", data.display());
    let file = data.join(KEY_FILE);
    match new_key {
        Some(key) => {
            println!("API key (shown once, kept in {}): {key}", file.display());
        }
        None => println!("API key: the first one is in {}", file.display()),
    }
    let data = data.display();
    println!(
        "\nNext, in other terminals:
  postrider receive                                   # a receiver on 127.0.0.1:8030 (needs --allow-target 127.0.0.0/8 here)
  postrider webhook create --data {data} --name first --target http://127.0.0.1:8030/ --events delivery,bounce
  echo '{{\"type\":\"delivery\",\"rcpt_to\":\"alice@example.com\"}}' | postrider push --data {data}
  curl -H \"Authorization: $(cat {})\" http://{address}/api/v1/webhooks",
        file.display()
    );
    let _ = std::io::stdout().flush();
}

async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
