//! The command line.

use crate::receive::ReceiveArgs;
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 something was refused · 2 wrong usage or configuration · 3 no engine answers ·
4 a port, directory or other resource can't be had";

/// Push what happens to mail to webhooks.
#[derive(Parser, Debug)]
#[command(name = "postrider", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run an engine with the REST API
    #[command(after_help = "\
Examples:
  postrider serve
  postrider serve --data /var/lib/postrider --config /etc/postrider.toml
  postrider serve --listen 127.0.0.1:0 --allow-target 127.0.0.0/8     # for trying out")]
    Serve(ServeArgs),
    /// Push events from a file or standard input, one JSON object a line
    #[command(after_help = "\
A line is {\"msys\":{\"message_event\":{\"type\":\"delivery\",…}}} or {\"type\":\"delivery\",…}. A line that is
refused is reported with its number, and the rest goes on. Events go through the inbox of the data
directory: an engine need not be up.

Examples:
  echo '{\"type\":\"delivery\",\"rcpt_to\":\"alice@example.com\"}' | postrider push
  postrider push --data /var/lib/postrider events.ndjson")]
    Push(PushArgs),
    /// Create, list, show, update, delete and test webhooks
    Webhook(WebhookArgs),
    /// Create, list and revoke API keys
    Key(KeyArgs),
    /// Check a filter; list, add, order, enable and reload those of a running engine
    Filter(FilterArgs),
    /// Receive webhooks: to try things out, and for tests
    #[command(after_help = "\
Rules: 'WHEN: ACTION', the first that matches decides.
  WHEN    always, first N, every N, for SECONDS, path=/PATH, event=TYPE, test (the test POST)
  ACTION  STATUS [retry-after=SECONDS], delay MILLISECONDS, reset, close, hang

Examples:
  postrider receive
  postrider receive --rule 'first 5: 503 retry-after=2' --count
  postrider receive --token secret --rule 'every 10: reset' --exit-after 1000")]
    Receive(ReceiveArgs),
    /// Print the figures of a running engine, as Prometheus text
    Stats(Reach),
    /// Verify, dump or count a data directory's log and journal, without an engine
    #[command(after_help = "\
Everything is only read, so an engine may be running; then the end of the newest segment, and segments
that it recycles meanwhile, are not certain, and that is said.

Examples:
  postrider log verify /var/lib/postrider
  postrider log dump --from 84211 --type bounce,delay /var/lib/postrider
  postrider log dump --json | jq .event
  postrider log stats --json

Exit codes: 0 good · 1 damage was found · 2 wrong usage · 4 the directory can't be read")]
    Log(LogArgs),
    /// Make a data directory's inbox, for writers of a group, without an engine
    Init(InitArgs),
    /// Have a running `serve` read its configuration anew, as SIGHUP does
    #[command(after_help = "\
Keys that a running engine cannot change keep their value and are named. A configuration that is refused
changes nothing: exit code 1, and what is wrong with it.")]
    Reload(Reach),
    /// Print every configuration key with its default and meaning
    Config,
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Configuration file (TOML); `postrider config` prints the keys
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Data directory, made if missing
    #[arg(
        long,
        value_name = "DIR",
        env = "POSTRIDER_DATA",
        default_value = "postrider-data"
    )]
    pub(crate) data: PathBuf,
    /// Where the REST API listens, in place of serve.listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Let webhooks point to this range, and port if given, in spite of the target policy
    #[arg(long = "allow-target", value_name = "CIDR[:PORT]")]
    pub(crate) allow_target: Vec<String>,
    /// Listen where other machines reach it without TLS, because a proxy before it does TLS
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Set a configuration key
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct PushArgs {
    /// The file; standard input without one, or with -
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Data directory of the engine
    #[arg(
        long,
        value_name = "DIR",
        env = "POSTRIDER_DATA",
        default_value = "postrider-data"
    )]
    pub(crate) data: PathBuf,
    /// Declare a custom event type first
    #[arg(long = "custom", value_name = "CATEGORY/TYPE")]
    pub(crate) custom: Vec<String>,
    /// Return only when the events survive a power cut
    #[arg(long)]
    pub(crate) sync: bool,
}

/// How to reach a running engine.
#[derive(Args, Clone, Debug)]
pub(crate) struct Reach {
    /// Data directory of the engine, whose admin socket is used
    #[arg(
        long,
        value_name = "DIR",
        env = "POSTRIDER_DATA",
        default_value = "postrider-data"
    )]
    pub(crate) data: PathBuf,
    /// URL of the REST API, in place of the admin socket
    #[arg(long, value_name = "URL", env = "POSTRIDER_URL", requires = "key")]
    pub(crate) url: Option<String>,
    /// API key for --url
    #[arg(
        long = "key",
        id = "key",
        value_name = "KEY",
        env = "POSTRIDER_KEY",
        hide_env_values = true
    )]
    pub(crate) key: Option<String>,
    /// PEM file of certificate authorities to trust for an https --url, in place of the system's
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) ca: Option<PathBuf>,
    /// Print the API's JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct WebhookArgs {
    #[command(subcommand)]
    pub(crate) command: WebhookCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum WebhookCommand {
    /// Create a webhook; its target is tested first
    #[command(after_help = "\
Examples:
  postrider webhook create --name first --target https://example.com/hook --events delivery,bounce
  postrider webhook create --name all --target https://example.com/hook --all-events --basic user:password")]
    Create {
        #[command(flatten)]
        fields: WebhookFields,
        #[command(flatten)]
        reach: Reach,
    },
    /// List webhooks
    List {
        #[command(flatten)]
        reach: Reach,
    },
    /// Show one webhook
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Change a webhook; only what is given changes
    Update {
        /// Its id
        id: String,
        #[command(flatten)]
        fields: WebhookFields,
        #[command(flatten)]
        reach: Reach,
    },
    /// Delete a webhook; batches already formed are still delivered
    Delete {
        /// Its id
        id: String,
        /// Drop those batches too
        #[arg(long)]
        purge: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Hold a webhook's batches, also after a restart; its events are kept
    Pause {
        /// Its id
        id: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Let the batches of a webhook that is paused, or disabled by its receiver, go out again
    Resume {
        /// Its id
        id: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Show a webhook's dead letters: batches that were given up and are kept
    Dead {
        /// Its id
        id: String,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
        #[command(flatten)]
        reach: Reach,
    },
    /// Send a webhook again what it did not get
    #[command(after_help = "\
Examples:
  postrider webhook replay ID --all
  postrider webhook replay ID 0b1d3f5e-8a7c-4c0e-9d2b-6f4e2a1c3b5d
  postrider webhook replay ID --from 2026-01-31T12:00:00Z --to 2026-01-31T13:00:00Z

Dead letters keep their batch ids and bytes. A stretch of time is what the log still has of it, in new
batches, whether or not it was delivered before.")]
    Replay(ReplayArgs),
    /// POST a test to a webhook's target and show the answer
    Test {
        /// Its id
        id: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Show a webhook's recent batches that failed or were retried
    Batches {
        /// Its id
        id: String,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
        #[command(flatten)]
        reach: Reach,
    },
}

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// The webhook's id
    pub(crate) id: String,
    /// Dead letters, by their batch ids
    #[arg(value_name = "BATCH", required_unless_present_any = ["all", "from"])]
    pub(crate) batches: Vec<String>,
    /// All its dead letters
    #[arg(long, conflicts_with_all = ["batches", "from"])]
    pub(crate) all: bool,
    /// What was written to the log from this time on
    #[arg(long, value_name = "TIME", conflicts_with = "batches")]
    pub(crate) from: Option<String>,
    /// Up to, and without, this time; now, where it is left out
    #[arg(long, value_name = "TIME", requires = "from")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Args, Debug)]
pub(crate) struct WebhookFields {
    /// What people call it
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Where batches are POSTed
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
    /// Event types, with commas
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    pub(crate) events: Option<Vec<String>>,
    /// Every event type of the catalogue
    #[arg(long, conflicts_with = "events")]
    pub(crate) all_events: bool,
    /// Sent as X-MessageSystems-Webhook-Token
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Basic credentials
    #[arg(long, value_name = "USER:PASSWORD")]
    pub(crate) basic: Option<String>,
    /// A further header (may be repeated)
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// Whether it gets events
    #[arg(long, value_name = "true|false")]
    pub(crate) active: Option<bool>,
}

#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum KeyCommand {
    /// Create a key and print it, alone, on standard output: it is shown once
    Create {
        /// A grant (may be repeated): webhooks/view, webhooks/modify, message_events/view,
        /// ingest/events, keys; all without one
        #[arg(long = "grant", value_name = "GRANT")]
        grants: Vec<String>,
        /// What it is for
        #[arg(long, default_value = "")]
        label: String,
        /// Bind it to a subaccount
        #[arg(long, value_name = "N")]
        subaccount: Option<u32>,
        #[command(flatten)]
        reach: Reach,
    },
    /// List keys; their secrets are not kept
    List {
        #[command(flatten)]
        reach: Reach,
    },
    /// Revoke a key
    Revoke {
        /// Its id, as `list` shows it
        id: String,
        #[command(flatten)]
        reach: Reach,
    },
}

#[derive(Args, Debug)]
pub(crate) struct FilterArgs {
    #[command(subcommand)]
    pub(crate) command: FilterCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum FilterCommand {
    /// Try a filter without an engine: loading, every event type, extreme and random events, cost, what stays
    #[command(after_help = "\
A filter that hangs or crashes does so here, in the step whose name was printed last.

Examples:
  postrider filter check ./no_tests.so
  postrider filter check ./libredact.so --config '{\"fields\":{\"rcpt_to\":\"mask\"}}'")]
    Check {
        /// The shared object
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Its configuration, a JSON object
        #[arg(long, value_name = "JSON")]
        config: Option<String>,
        /// How thorough: so many instances are made and ended while looking for what stays, twice as many batches
        /// measured, ten times as many random events tried
        #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(4..=100_000))]
        lives: u32,
    },
    /// List the filters of a running engine in their order, how they stand, and their figures
    List {
        #[command(flatten)]
        of: FilterChain,
        #[command(flatten)]
        reach: Reach,
    },
    /// Add a filter at the end of the chain, or change the one of that name
    #[command(after_help = "\
Examples:
  postrider filter add redact /usr/lib/postrider/filters/libpostrider_filter_redact.so --config '{\"fields\":{\"rcpt_to\":\"mask\"}}'
  postrider filter add no-tests ./no_tests.so --events delivery,bounce --on-failure closed")]
    Add {
        /// Its name in the chain
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        fields: FilterFields,
        #[command(flatten)]
        of: FilterChain,
        #[command(flatten)]
        reach: Reach,
    },
    /// Take a filter out of the chain
    Remove {
        /// Its name in the chain
        name: String,
        #[command(flatten)]
        of: FilterChain,
        #[command(flatten)]
        reach: Reach,
    },
    /// Put a filter in force again, with a fresh instance
    Enable {
        /// Its name in the chain
        name: String,
        #[command(flatten)]
        of: FilterChain,
        #[command(flatten)]
        reach: Reach,
    },
    /// Take a filter out of force; it keeps its place
    Disable {
        /// Its name in the chain
        name: String,
        #[command(flatten)]
        of: FilterChain,
        #[command(flatten)]
        reach: Reach,
    },
    /// Put filters first, in this order; the others keep theirs behind them
    Order {
        /// Names in the chain
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        of: FilterChain,
        #[command(flatten)]
        reach: Reach,
    },
    /// List events that a filter failed and that wait to be released
    Held {
        #[command(flatten)]
        reach: Reach,
    },
    /// Push all held events through the filters again
    Release {
        #[command(flatten)]
        reach: Reach,
    },
    /// Load a filter's file anew; it takes over between two batches
    Reload {
        /// Its name in the chain
        name: String,
        #[command(flatten)]
        of: FilterChain,
        #[command(flatten)]
        reach: Reach,
    },
}

/// Which chain a call is about.
#[derive(Args, Debug)]
pub(crate) struct FilterChain {
    /// This webhook's own filters, in place of those that every event goes through
    #[arg(long, value_name = "ID")]
    pub(crate) webhook: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct FilterFields {
    /// The shared object
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Its configuration, a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) config: Option<String>,
    /// Event types that it sees; all without any
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub(crate) events: Vec<String>,
    /// Subaccounts whose events it sees; all without any
    #[arg(long = "subaccount", value_name = "N", value_delimiter = ',')]
    pub(crate) subaccounts: Vec<u32>,
    /// What becomes of events that it fails: open, closed or disable; as the filter says without one
    #[arg(long, value_name = "POLICY")]
    pub(crate) on_failure: Option<String>,
    /// A call that takes longer is given up
    #[arg(long, value_name = "MS")]
    pub(crate) timeout_ms: Option<u64>,
    /// Microseconds that a call may take for each event
    #[arg(long, value_name = "US")]
    pub(crate) budget_us: Option<u64>,
    /// The SHA-256 that the file must have
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    pub(crate) command: LogCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum LogCommand {
    /// Read and check every byte: frames, events, indexes, the journal, the books
    Verify {
        #[command(flatten)]
        dir: LogDir,
    },
    /// Print events: offset, timestamp (Unix milliseconds), type, subaccount, JSON
    Dump {
        #[command(flatten)]
        dir: LogDir,
        /// The first offset
        #[arg(long, value_name = "OFFSET", default_value_t = 0)]
        from: u64,
        /// The offset to stop before
        #[arg(long, value_name = "OFFSET", default_value_t = u64::MAX, hide_default_value = true)]
        to: u64,
        /// Only these event types, with commas
        #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
        types: Vec<String>,
        /// Only this subaccount; 0 is the primary account
        #[arg(long, value_name = "N")]
        subaccount: Option<u32>,
    },
    /// Count segments, events by type and subaccount, and every webhook's books
    Stats {
        #[command(flatten)]
        dir: LogDir,
    },
}

/// Which data directory `postrider log` looks at.
#[derive(Args, Debug)]
pub(crate) struct LogDir {
    /// Data directory
    #[arg(
        value_name = "DIR",
        env = "POSTRIDER_DATA",
        default_value = "postrider-data"
    )]
    pub(crate) data: PathBuf,
    /// Print JSON: one object, for `dump` one a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// Data directory
    #[arg(
        long,
        value_name = "DIR",
        env = "POSTRIDER_DATA",
        default_value = "postrider-data"
    )]
    pub(crate) data: PathBuf,
    /// Group whose members may write to the inbox, by name or number
    #[arg(long, default_value = "")]
    pub(crate) group: String,
}

/// One page for all commands.
pub(crate) fn man(out: &mut impl Write) -> io::Result<()> {
    let command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(out)?;
    for sub in command.get_subcommands() {
        let name = format!("postrider {}", sub.get_name());
        let man = clap_mangen::Man::new(sub.clone().name(name));
        man.render_name_section(out)?;
        man.render_synopsis_section(out)?;
        man.render_options_section(out)?;
        if sub.has_subcommands() {
            man.render_subcommands_section(out)?;
        }
        man.render_extra_section(out)?;
    }
    Ok(())
}
