//! What a served engine is configured with: defaults, then the file, then the command line.

use crate::cli::ServeArgs;
use crate::error::CliError;
use postrider::config::Config;
use std::fmt::Display;

fn usage(what: &str, e: &dyn Display) -> CliError {
    CliError::Usage(format!("{what}: {e}"))
}

/// Reads the configuration anew. A served engine keeps every event, for search.
pub(super) fn read(args: &ServeArgs) -> Result<Config, CliError> {
    let mut config = Config::default();
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
        let before = config.http_allow_target().iter().map(ToString::to_string);
        let all: Vec<String> = before.chain(args.allow_target.iter().cloned()).collect();
        config
            .set("http.allow_target", &all.join(","))
            .map_err(|e| usage("--allow-target", &e))?;
    }
    if let Some(listen) = args.listen {
        config
            .set("serve.listen", &listen.to_string())
            .map_err(|e| usage("--listen", &e))?;
    }
    if args.insecure {
        config
            .set("serve.insecure", "true")
            .map_err(|e| usage("--insecure", &e))?;
    }
    check(&config)?;
    Ok(config)
}

/// Keys must not travel in the clear by an oversight.
fn check(config: &Config) -> Result<(), CliError> {
    let listen = config.serve_listen();
    let tls = super::tls::files(config.serve_tls_cert(), config.serve_tls_key())?.is_some();
    if listen.ip().is_loopback() || tls || config.serve_insecure() {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "serve.listen = {listen}: other machines reach it, and keys would travel in the clear; set \
         serve.tls_cert and serve.tls_key, or serve.insecure = true where a proxy before it does TLS"
    )))
}
