//! Drops the events of campaign "test".

use postrider_filter::{Error, Event, Field, Filter, Host, NoConfig, export};
use std::ffi::CStr;

struct NoTests(Field);

impl Filter for NoTests {
    const ID: &'static CStr = c"no-tests";
    const VERSION: &'static CStr = c"1.0";
    const SUMMARY: &'static CStr = c"Drops the events of campaign test";
    type Config = NoConfig;

    fn create(host: &Host, _: NoConfig) -> Result<Self, Error> {
        Ok(NoTests(host.field("campaign_id")?))
    }

    fn event(&mut self, event: &mut Event<'_>) -> Result<(), Error> {
        if event.str(self.0) == Some("test") {
            event.drop("a test")?;
        }
        Ok(())
    }
}

export!(NoTests);

#[test]
fn a_test_is_dropped() {
    let mut trial = postrider::filter::Trial::of(postrider_filter, "{}").unwrap();
    let verdict = trial.one(r#"{"type":"delivery","campaign_id":"test"}"#);
    assert_eq!(
        verdict,
        postrider::filter::Verdict::Dropped("a test".into())
    );
}
