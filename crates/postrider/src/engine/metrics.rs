//! The figures as Prometheus text (exposition format 0.0.4): counters end in `_total`, sizes are in
//! bytes, times in seconds.

use super::{Engine, Stats};
use crate::filter::{FilterStatus, State};
use crate::http::NoReuse;
use crate::webhook::Condition;
use std::fmt::Write;

impl Engine {
    /// The figures as Prometheus text.
    pub fn metrics(&self) -> String {
        let mut text = Text::default();
        text.stats(&self.stats());
        text.filters(&self.filters());
        text.0
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn labelled(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(
                self.0,
                "{}{label}=\"{text}\"",
                if i == 0 { '{' } else { ',' }
            );
        }
        let _ = writeln!(self.0, "}} {value}");
    }

    fn stats(&mut self, stats: &Stats) {
        let (queue, log, inbox) = (&stats.queue, &stats.log, &stats.inbox);
        for (name, help, value) in [
            (
                "postrider_events_unwanted_total",
                "Events of types that nobody wants.",
                stats.unwanted,
            ),
            (
                "postrider_events_invalid_total",
                "Pushes refused as not acceptable.",
                stats.invalid,
            ),
            (
                "postrider_queue_drained_total",
                "Events that left the queue for the log.",
                queue.drained,
            ),
            (
                "postrider_queue_failed_total",
                "Pushes refused by a full queue.",
                queue.failed,
            ),
            (
                "postrider_queue_dropped_total",
                "Events dropped by a full queue.",
                queue.dropped,
            ),
            (
                "postrider_queue_waited_total",
                "Pushes that waited for room.",
                queue.waited,
            ),
            (
                "postrider_queue_timed_out_total",
                "Pushes that waited for room in vain.",
                queue.timed_out,
            ),
            (
                "postrider_log_events_total",
                "Events appended to the log.",
                log.events,
            ),
            (
                "postrider_log_frames_total",
                "Frames appended to the log.",
                log.frames,
            ),
            (
                "postrider_log_syncs_total",
                "Times the log was synced.",
                log.syncs,
            ),
            (
                "postrider_log_append_failures_total",
                "Appends that the disk refused.",
                stats.append_failures,
            ),
            (
                "postrider_log_damaged_frames_total",
                "Frames skipped as damaged.",
                log.damaged_frames,
            ),
            (
                "postrider_log_damaged_events_total",
                "Events found damaged.",
                log.damaged_events,
            ),
            (
                "postrider_inbox_events_total",
                "Events taken from the inbox.",
                inbox.events,
            ),
            (
                "postrider_inbox_damaged_total",
                "Damaged places passed over in the inbox.",
                inbox.damaged,
            ),
            (
                "postrider_inbox_refused_total",
                "Inbox files refused.",
                inbox.refused,
            ),
            (
                "postrider_inbox_unknown_type_total",
                "Inbox events of an unknown custom type.",
                stats.inbox_unknown_type,
            ),
        ] {
            self.one(name, "counter", help, value);
        }
        for (name, help, value) in [
            (
                "postrider_queue_used_bytes",
                "Bytes in the queue.",
                queue.used_bytes,
            ),
            (
                "postrider_log_used_bytes",
                "Bytes that the log takes.",
                log.used_bytes,
            ),
            (
                "postrider_log_first_offset",
                "Offset of the oldest event kept.",
                log.first_offset,
            ),
            (
                "postrider_log_next_offset",
                "Offset that the next event gets.",
                log.next_offset,
            ),
            (
                "postrider_log_synced_offset",
                "All events below are synced.",
                log.synced_offset,
            ),
            ("postrider_inbox_files", "Files in the inbox.", inbox.files),
            ("postrider_inbox_bytes", "Bytes in the inbox.", inbox.bytes),
            (
                "postrider_books_offset",
                "The offset at which the webhooks' books were taken.",
                stats.books.offset,
            ),
        ] {
            self.one(name, "gauge", help, value);
        }
        self.books(stats);
    }

    /// What became of events before the log, by filter: those are in no webhook's books.
    fn filters(&mut self, filters: &[FilterStatus]) {
        type Figure = fn(&FilterStatus) -> u64;
        let figures: [(&str, &str, &str, Figure); 9] = [
            (
                "postrider_filter_running",
                "gauge",
                "1 while the filter is called; 0 while its policy speaks for it.",
                |f| u64::from(f.state == State::Running),
            ),
            (
                "postrider_filter_events_total",
                "counter",
                "Events selected for the filter.",
                |f| f.stats.events,
            ),
            (
                "postrider_filter_changed_total",
                "counter",
                "Events that it changed.",
                |f| f.stats.changed,
            ),
            (
                "postrider_filter_emitted_total",
                "counter",
                "Events that it added.",
                |f| f.stats.emitted,
            ),
            (
                "postrider_filter_passed_total",
                "counter",
                "Events that went on as they were, because it failed.",
                |f| f.stats.passed,
            ),
            (
                "postrider_filter_held_total",
                "counter",
                "Events that were held, because it failed.",
                |f| f.stats.held,
            ),
            (
                "postrider_filter_calls_total",
                "counter",
                "Batches that it was given.",
                |f| f.stats.calls,
            ),
            (
                "postrider_filter_failed_calls_total",
                "counter",
                "Calls that failed, were too slow or did not return.",
                |f| f.stats.failed_calls,
            ),
            (
                "postrider_filter_nanoseconds_total",
                "counter",
                "Time in its calls.",
                |f| f.stats.time_ns,
            ),
        ];
        for (name, kind, help, value) in figures {
            self.head(name, kind, help);
            for filter in filters {
                self.labelled(name, &[("filter", &filter.spec.name)], value(filter));
            }
        }
        let name = "postrider_filter_dropped_total";
        self.head(name, "counter", "Events that a filter dropped, by reason.");
        for filter in filters {
            for (reason, &events) in &filter.stats.dropped {
                let labels = [("filter", &*filter.spec.name), ("reason", reason)];
                self.labelled(name, &labels, events);
            }
        }
    }

    /// accepted = delivered + dead + dropped + pending, for every webhook.
    fn books(&mut self, stats: &Stats) {
        let webhooks = &stats.books.webhooks;
        type Figure = fn(&crate::deliver::WebhookBooks) -> u64;
        let figures: [(&str, &str, &str, Figure); 7] = [
            (
                "postrider_webhook_accepted_total",
                "counter",
                "Events that the webhook wanted.",
                |b| b.accepted,
            ),
            (
                "postrider_webhook_delivered_total",
                "counter",
                "Events that its receiver took.",
                |b| b.delivered,
            ),
            (
                "postrider_webhook_dead_total",
                "counter",
                "Events in batches given up.",
                |b| b.dead,
            ),
            (
                "postrider_webhook_dead_letters",
                "gauge",
                "Batches given up that are kept and can be replayed.",
                |b| b.dead_letters,
            ),
            (
                "postrider_webhook_pending",
                "gauge",
                "Events that wait or are under way.",
                |b| b.pending,
            ),
            (
                "postrider_webhook_open_batches",
                "gauge",
                "Batches that wait or are under way.",
                |b| b.open_batches,
            ),
            (
                "postrider_webhook_in_flight",
                "gauge",
                "Attempts under way.",
                |b| u64::from(b.in_flight),
            ),
        ];
        for (name, kind, help, value) in figures {
            self.head(name, kind, help);
            for (id, books) in webhooks {
                self.labelled(name, &[("webhook", &id.to_string())], value(books));
            }
        }
        let name = "postrider_webhook_window";
        let help = "Attempts that may be under way at once, as the receiver bears them.";
        self.head(name, "gauge", help);
        for (id, books) in webhooks {
            self.labelled(name, &[("webhook", &id.to_string())], books.window.into());
        }
        let name = "postrider_webhook_connections_not_kept_total";
        let help = "Connections that could not be kept behind an answer, by reason.";
        self.head(name, "counter", help);
        for (id, books) in webhooks {
            for why in NoReuse::ALL {
                if let n @ 1.. = books.not_kept[why.index()] {
                    let labels = [("webhook", &*id.to_string()), ("reason", why.name())];
                    self.labelled(name, &labels, n);
                }
            }
        }
        let name = "postrider_webhook_state";
        self.head(
            name,
            "gauge",
            "1 for the state that the webhook is in: up, down, paused, disabled, unfit or deleted.",
        );
        for (id, books) in webhooks {
            for state in Condition::ALL {
                let labels = [("webhook", &*id.to_string()), ("state", state.name())];
                self.labelled(name, &labels, u64::from(state == books.activity.condition));
            }
        }
        let name = "postrider_webhook_dropped_total";
        self.head(name, "counter", "Events dropped for a webhook, by reason.");
        for (id, books) in webhooks {
            for (reason, &events) in &books.dropped {
                let labels = [("webhook", &*id.to_string()), ("reason", reason.as_str())];
                self.labelled(name, &labels, events);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::WebhookBooks;
    use crate::journal::Reason;
    use uuid::Uuid;

    #[test]
    fn books_are_labelled_by_webhook_and_reason() {
        let mut stats = Stats::default();
        let mut books = WebhookBooks {
            accepted: 7,
            delivered: 4,
            pending: 1,
            ..WebhookBooks::default()
        };
        books.dropped.insert(Reason::named("a \"b\""), 2);
        stats.books.webhooks.insert(Uuid::nil(), books);
        let mut text = Text::default();
        text.stats(&stats);
        let line = r#"postrider_webhook_dropped_total{webhook="00000000-0000-0000-0000-000000000000",reason="a \"b\""} 2"#;
        assert!(text.0.lines().any(|l| l == line), "{}", text.0);
        assert!(text.0.contains("\npostrider_webhook_accepted_total{webhook=\"00000000-0000-0000-0000-000000000000\"} 7\n"));
    }
}
