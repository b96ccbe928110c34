//! `postrider serve`: an engine, and the REST API before it.

mod http;
mod listen;
mod log;
mod reload;
mod settings;
mod tls;
mod welcome;

use crate::cli::ServeArgs;
use crate::error::CliError;
use http::Mount;
use listen::{Limit, Listener};
use log::Log;
use postrider::config::Config;
use postrider::engine::{Engine, OpenError, Severity};
use postrider_api::{AdminSocket, Api, Caller};
use reload::Reloader;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tls::Tls;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a signal leaves requests and batches under way to end.
const CLOSE: Duration = Duration::from_secs(15);

pub(crate) fn run(args: ServeArgs) -> Result<(), CliError> {
    let config = settings::read(&args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::environment)?;
    runtime.block_on(serve(config, args))
}

async fn serve(config: Config, args: ServeArgs) -> Result<(), CliError> {
    let mut signals = Signals::new().map_err(CliError::environment)?;
    // The port first: a second `serve` fails before it touches anything.
    let listen = config.serve_listen();
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|e| CliError::Environment(format!("cannot listen on {listen}: {e}")))?;
    let address = listener.local_addr().map_err(CliError::environment)?;
    let tls = Arc::new(Tls::read(&config)?);
    let log = Arc::new(Log::new(&config));
    let told = log.clone();
    let engine = Engine::builder()
        .data_dir(&args.data)
        .config(config.clone())
        .logger(move |severity, line| told.say(severity, line))
        .start()
        .map_err(|e| match e {
            OpenError::Config(_) | OpenError::CustomType(_) => CliError::Usage(e.to_string()),
            e => CliError::Environment(e.to_string()),
        })?;
    let engine = Arc::new(engine);
    let data = engine.data_dir().unwrap_or(&args.data).to_owned();
    let connections = Limit::new(config.serve_max_connections() as usize);
    let reloader = Arc::new(Reloader {
        args,
        engine: engine.clone(),
        tls: tls.clone(),
        connections: connections.clone(),
        log: log.clone(),
        one_at_a_time: Mutex::new(()),
    });
    let reload = {
        let reloader = reloader.clone();
        Box::new(move || reloader.reload())
    };
    let api = Arc::new(Api::new(engine.clone()).on_reload(reload));
    let new_key = welcome::first_key(&engine, &api, &data)?;

    let (stop, stopped) = watch::channel(false);
    let mut listeners = JoinSet::new();
    let mount = Arc::new(Mount::new(api.clone()));
    let scheme = if tls.acceptor().is_some() {
        "https"
    } else {
        "http"
    };
    let tcp = Listener::Tcp(listener, tls);
    let served = listen::serve(
        tcp,
        mount.clone(),
        Caller::Key,
        connections.clone(),
        stopped.clone(),
    );
    listeners.spawn(served);
    let ingest = config.serve_ingest_socket();
    if !ingest.is_empty() {
        let listener = bind_ingest(Path::new(ingest), &data)
            .map_err(|e| CliError::Environment(format!("cannot make {ingest}: {e}")))?;
        let unix = Listener::Unix(listener);
        listeners.spawn(listen::serve(
            unix,
            mount,
            Caller::Ingest,
            connections,
            stopped,
        ));
    }
    let admin = match config.admin_socket() {
        true => Some(
            AdminSocket::open(api, &data)
                .map_err(|e| CliError::Environment(format!("cannot make the admin socket: {e}")))?,
        ),
        false => None,
    };
    welcome::welcome(&format!("{scheme}://{address}"), &data, new_key.as_deref());

    loop {
        match signals.next().await {
            Told::End => break,
            Told::Reload => {
                let reloader = reloader.clone();
                // It says itself what it came to.
                let _ = tokio::task::spawn_blocking(move || reloader.reload()).await;
            }
        }
    }
    let ending = format!(
        "closing: batches under way have {} s to end",
        CLOSE.as_secs()
    );
    log.say(Severity::Info, &ending);
    let _ = stop.send(true);
    let ended = async { while listeners.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(CLOSE, ended).await;
    listeners.abort_all();
    if !ingest.is_empty() {
        let _ = std::fs::remove_file(ingest);
    }
    let closed = tokio::task::spawn_blocking(move || {
        drop(admin);
        engine.close(CLOSE)
    });
    match closed.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(CliError::Environment(e.to_string())),
        Err(e) => Err(CliError::Environment(e.to_string())),
    }
}

/// The socket of those who hand events in: whoever may append to the inbox may open it. One that is
/// left from a killed process is replaced; anything else by that name is not ours to remove.
fn bind_ingest(path: &Path, data: &Path) -> std::io::Result<UnixListener> {
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(std::io::Error::other("it exists and is no socket"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    if let Ok(inbox) = std::fs::metadata(data.join("inbox")) {
        std::os::unix::fs::chown(path, None, Some(inbox.gid()))?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// What a signal asks for.
enum Told {
    End,
    Reload,
}

/// The signals that it heeds, waited for from the start: one that comes early is not lost.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hangup.recv() => Told::Reload,
        }
    }
}
