//! `postrider receive`: a webhook receiver to try things out with, and for tests.
//!
//! A thread a connection and no framework: it must be able to hang, to reset a connection and to
//! answer before it should.

mod check;
mod hostile;
mod post;
mod rule;
mod server;
mod wire;

use check::SignatureCheck;
use clap::Args;
use rule::Rule;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What `postrider receive` is told.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReceiveArgs {
    /// Where to listen; port 0 takes a free one, and the address is printed
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8030")]
    listen: SocketAddr,
    /// Speak TLS with a self-made certificate, written to FILE for the sender to trust
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
    /// Print each event over several lines
    #[arg(long, conflicts_with_all = ["count", "quiet"])]
    pretty: bool,
    /// Print one line a POST: batch id, events, bytes, answer
    #[arg(long, conflicts_with = "quiet")]
    count: bool,
    /// Print nothing but the summary
    #[arg(long)]
    quiet: bool,
    /// Answer 401 unless X-MessageSystems-Webhook-Token is this
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Answer 401 unless the Basic credentials are these
    #[arg(long, value_name = "USER:PASSWORD")]
    basic: Option<String>,
    /// Answer 401 unless a Standard Webhooks signature of this key is there (whsec_ or whpk_)
    #[arg(long, value_name = "KEY")]
    signature: Option<SignatureCheck>,
    /// Answer something else than 200: 'WHEN: ACTION', the first that matches (may be repeated)
    #[arg(long = "rule", value_name = "RULE")]
    rules: Vec<Rule>,
    /// Milliseconds before each answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay: u64,
    /// End after so many events were accepted
    #[arg(long, value_name = "N")]
    exit_after: Option<u64>,
}

/// Serves until the events asked for have come, or a signal ends the process.
pub(crate) fn run(args: ReceiveArgs) -> std::io::Result<()> {
    server::run(server::Settings {
        listen: args.listen,
        tls: args.tls,
        print: match (args.pretty, args.count, args.quiet) {
            (true, ..) => server::Print::Pretty,
            (_, true, _) => server::Print::Count,
            (.., true) => server::Print::Nothing,
            _ => server::Print::Events,
        },
        token: args.token,
        basic: args.basic,
        signature: args.signature,
        rules: args.rules,
        delay: Duration::from_millis(args.delay),
        exit_after: args.exit_after,
    })
}
