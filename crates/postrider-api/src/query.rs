//! The parameters of a query. Unknown ones are ignored, as the contract has it.

use crate::failure::Failure;
use jiff::tz::TimeZone;
use std::borrow::Cow;

/// Decoded parameters; of several by one name the first counts.
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(crate) fn of(text: &'a str) -> Query<'a> {
        Query(url::form_urlencoded::parse(text.as_bytes()).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_ref())
    }

    /// The zone that answers show times in; UTC where none is asked for.
    pub(crate) fn timezone(&self) -> Result<TimeZone, Failure> {
        let Some(name) = self.get("timezone") else {
            return Ok(TimeZone::UTC);
        };
        TimeZone::get(name).map_err(|_| Failure::Parameter {
            name: "timezone",
            reason: "must be the IANA name of a time zone, such as America/New_York".into(),
        })
    }

    /// Every parameter as it was given.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// A whole number from 1 to `most`.
    pub(crate) fn number(
        &self,
        name: &'static str,
        default: usize,
        most: usize,
    ) -> Result<usize, Failure> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|n| (1..=most).contains(n));
        number.ok_or_else(|| Failure::Parameter {
            name,
            reason: format!("must be a whole number from 1 to {most}"),
        })
    }

    /// A switch, off where none is asked for.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, Failure> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Failure::Parameter {
                name,
                reason: "must be true or false".into(),
            }),
        }
    }
}
