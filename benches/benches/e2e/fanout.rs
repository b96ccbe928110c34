//! Many webhooks: all of which want every event, and one of which does.

use crate::rows::{Run, header, row, timed};
use crate::senders::{close, engine, push, wait_received, webhook};
use crate::{BATCH, Size};
use postrider::engine::Engine;
use postrider_bench::figures::median;
use postrider_bench::process::{SinkProcess, Wants};
use postrider_bench::sink::Count;

/// An engine with webhooks, and who receives.
struct Setting {
    engine: Engine,
    sink: SinkProcess,
    /// How many webhooks want the events.
    wanting: u64,
    received: u64,
}

impl Setting {
    fn new(webhooks: u64, wanting: u64) -> Setting {
        let wants = Wants {
            count: Count::Lines,
            ..Wants::default()
        };
        let sink = SinkProcess::start(wants).expect("a receiver");
        let engine = engine(None, &[]);
        for n in 0..webhooks {
            let ty = if n < wanting { "delivery" } else { "bounce" };
            webhook(&engine, &sink.url(), ty);
        }
        let mut setting = Setting {
            engine,
            sink,
            wanting,
            received: 0,
        };
        setting.run(20 * BATCH / wanting.min(20));
        setting
    }

    /// Pushes events and waits until all who want them have them.
    fn run(&mut self, events: u64) -> Run {
        self.received += events * self.wanting;
        timed(events * self.wanting, || {
            push(&self.engine, events);
            wait_received(&mut self.sink, self.received);
        })
    }
}

/// 1, 10 and 100 webhooks that all want all: figures are of deliveries.
pub(crate) fn all_want(size: Size) {
    header("Webhooks that all want all: deliveries", "of one webhook's");
    let mut base = None;
    for webhooks in [1, 10, 100] {
        let runs: Vec<Run> = (0..size.rounds)
            .map(|_| {
                let mut setting = Setting::new(webhooks, webhooks);
                let run = setting.run((size.events / webhooks).max(BATCH));
                close(setting.engine);
                run
            })
            .collect();
        let rate = row(&format!("webhooks: {webhooks}"), &runs, base);
        base = base.or(Some(rate));
    }
}

/// 1, 100 and 10,000 webhooks of which one wants the event. All stand side by side and take turns.
pub(crate) fn one_wants(size: Size) {
    let counts = [1, 100.min(size.webhooks), size.webhooks];
    let mut settings = counts.map(|webhooks| Setting::new(webhooks, 1));
    let mut runs: [Vec<Run>; 3] = Default::default();
    for _ in 0..size.rounds {
        for (setting, runs) in settings.iter_mut().zip(&mut runs) {
            runs.push(setting.run(size.events));
        }
    }
    header("Webhooks of which one wants the event", "of one webhook's");
    let mut base = None;
    for (webhooks, runs) in counts.iter().zip(&runs) {
        let rate = row(&format!("one of {webhooks}"), runs, base);
        base = base.or(Some(rate));
    }
    let cpu =
        |runs: &[Run]| median(&mut runs.iter().map(|r| r.cpu_s_per_million).collect::<Vec<_>>());
    println!(
        "\nCPU per event with {} webhooks, against 1: {:.2} times.",
        size.webhooks,
        cpu(&runs[2]) / cpu(&runs[0])
    );
    for setting in settings {
        close(setting.engine);
    }
}
